package dev.wrenn.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.DeadlinePassed;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnixSocketTest {
    @TempDir Path folder;

    private static Deadline soon() {
        return Deadline.after(Duration.ofSeconds(5));
    }

    @Test
    void descriptors_arrive_as_copies_with_the_first_bytes() throws IOException {
        var file = folder.resolve("file");
        Files.writeString(file, "content");
        try (var listener = UnixSocket.listen(folder.resolve("socket"));
                var client = UnixSocket.connect(folder.resolve("socket"));
                var server = listener.accept(soon())) {
            try (var fd = Fd.open(file, Fd.O_RDONLY)) {
                client.send("hello", fd);
            }

            var message = server.receive(100, soon());

            assertThat(message.bytes()).isEqualTo("hello");
            assertThat(message.descriptors()).hasSize(1);
            try (var received = message.descriptors().getFirst()) {
                var link = Path.of("/proc/self/fd/" + received.number());
                assertThat(Files.readSymbolicLink(link)).isEqualTo(file.toRealPath());
            }
        }
    }

    @Test
    void the_peer_is_the_process_that_connected() {
        try (var listener = UnixSocket.listen(folder.resolve("socket"));
                var _ = UnixSocket.connect(folder.resolve("socket"));
                var server = listener.accept(soon())) {
            assertThat(server.peerPid()).isEqualTo(ProcessHandle.current().pid());
        }
    }

    @Test
    void only_the_owner_may_connect() throws IOException {
        try (var _ = UnixSocket.listen(folder.resolve("socket"))) {
            assertThat(Files.getPosixFilePermissions(folder.resolve("socket")))
                    .isEqualTo(PosixFilePermissions.fromString("rw-------"));
        }
    }

    @Test
    void waiting_ends_with_the_deadline() {
        try (var listener = UnixSocket.listen(folder.resolve("socket"))) {
            assertThatThrownBy(() -> listener.accept(Deadline.after(Duration.ofMillis(20))))
                    .isInstanceOf(DeadlinePassed.class);
            try (var _ = UnixSocket.connect(folder.resolve("socket"));
                    var server = listener.accept(soon())) {
                assertThatThrownBy(() -> server.receive(10, Deadline.after(Duration.ofMillis(20))))
                        .isInstanceOf(DeadlinePassed.class);
            }
        }
    }

    @Test
    void the_end_of_the_other_side_is_an_empty_message() {
        var pair = UnixSocket.pair();
        try (var left = pair.getFirst()) {
            pair.getLast().close();

            assertThat(left.receive(10, soon()).bytes()).isEmpty();
        }
    }

    @Test
    void a_path_that_linux_cannot_bind_is_invalid() {
        var tooLong = folder.resolve("x".repeat(120));

        assertThatThrownBy(() -> UnixSocket.listen(tooLong))
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.INVALID));
    }

    @Test
    void a_socket_that_is_not_there_cannot_be_connected_to() {
        assertThatThrownBy(() -> UnixSocket.connect(folder.resolve("nobody")))
                .isInstanceOfSatisfying(
                        LinuxException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOENT));
    }

    @Test
    void poll_tells_which_descriptor_is_ready() {
        var first = UnixSocket.pair();
        var second = UnixSocket.pair();
        try (var arena = Arena.ofConfined();
                var a = first.getFirst();
                var b = second.getFirst();
                var _ = first.getLast();
                var sender = second.getLast()) {
            var poll = new Poll(arena, a.fd(), b.fd());

            assertThat(poll.isReady()).isFalse();
            sender.send("x");

            assertThat(poll.await(Duration.ofSeconds(5))).isTrue();
            assertThat(poll.ready(0)).isZero();
            assertThat(poll.ready(1)).isEqualTo(Poll.POLLIN);
        }
    }
}
