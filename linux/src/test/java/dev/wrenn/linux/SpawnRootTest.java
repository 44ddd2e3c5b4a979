package dev.wrenn.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Command;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.Spawn.Bind.Use;
import dev.wrenn.testkit.Eventually;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("root")
class SpawnRootTest {
    @TempDir Path folder;

    private static Deadline soon() {
        return Deadline.after(Duration.ofSeconds(10));
    }

    private Spawn shell(String script) {
        return new Spawn(
                List.of("/bin/sh", "-c", script),
                Map.of("MARK", "set"),
                folder.resolve("output"),
                Optional.empty());
    }

    private String outputOf(Spawn spawn) throws IOException {
        try (var process = spawn.start()) {
            assertThat(process.awaitExit(soon())).isTrue();
        }
        return Files.readString(folder.resolve("output"));
    }

    @Test
    void a_program_gets_its_environment_and_nothing_else() throws IOException {
        assertThat(outputOf(shell("echo out; echo err >&2; env | grep -v -e PWD -e SHLVL -e '^_'")))
                .contains("out\n", "err\n", "MARK=set\n")
                .doesNotContain("PATH=");
    }

    @Test
    void a_program_is_no_part_of_our_session_and_inherits_no_descriptor_or_signal_mask()
            throws IOException {
        var output =
                outputOf(
                        shell(
                                "/bin/cut -d' ' -f6 /proc/self/stat; echo $$;"
                                        + " /bin/ls /proc/$$/fd;"
                                        + " /bin/grep -E 'Sig(Blk|Ign)' /proc/self/status"));

        var lines = output.lines().toList();
        assertThat(lines.get(0)).as("leader of its own session").isEqualTo(lines.get(1));
        assertThat(lines.subList(2, 5)).containsExactly("0", "1", "2");
        assertThat(signals(lines.get(5))).isZero();
        assertThat(signals(lines.get(6))).isZero();
    }

    /**
     * A line of proc_pid_status(5), without the two signals that the C library keeps for itself.
     */
    private static long signals(String line) {
        return Long.parseUnsignedLong(line.substring(line.indexOf('\t') + 1), 16) & ~0x1_8000_0000L;
    }

    @Test
    void mounts_of_its_own_are_seen_by_nobody_else() throws IOException {
        var source = Files.writeString(folder.resolve("source"), "inside");
        var target = Files.writeString(folder.resolve("target"), "outside");
        var spawn =
                new Spawn(
                        List.of("/bin/sh", "-c", "/bin/cat " + target + "; echo >> " + target),
                        Map.of(),
                        folder.resolve("output"),
                        Optional.empty(),
                        List.of(new Spawn.Bind(source, target, Use.DATA)));

        assertThat(outputOf(spawn)).isEqualTo("inside");

        assertThat(source).hasContent("inside\n");
        assertThat(target).hasContent("outside");
        assertThat(Files.readString(Path.of("/proc/self/mountinfo")))
                .doesNotContain(target.toString());
    }

    @Test
    void a_mount_allows_what_its_use_needs_and_no_more() throws IOException {
        var data = Files.createDirectory(folder.resolve("data"));
        var root = Files.createDirectory(folder.resolve("root"));
        var spawn =
                new Spawn(
                        List.of("/bin/grep", folder.toString(), "/proc/self/mountinfo"),
                        Map.of(),
                        folder.resolve("output"),
                        Optional.empty(),
                        List.of(
                                new Spawn.Bind(data, data, Use.DATA),
                                new Spawn.Bind(root, root, Use.ROOT)));

        var mounts = outputOf(spawn).lines().toList();

        assertThat(mounts).hasSize(2);
        assertThat(mounts.getFirst()).contains("nosuid", "nodev", "noexec");
        assertThat(mounts.getLast()).contains("nosuid").doesNotContain("nodev", "noexec");
    }

    @Test
    void a_mount_that_cannot_be_made_fails_the_start() {
        var spawn =
                new Spawn(
                        List.of("/bin/true"),
                        Map.of(),
                        folder.resolve("output"),
                        Optional.empty(),
                        List.of(new Spawn.Bind(folder.resolve("absent"), folder, Use.DATA)));

        assertThatThrownBy(spawn::start)
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.ABSENT));
    }

    @Test
    void given_descriptors_are_numbered_from_three() throws IOException {
        var one = folder.resolve("one");
        var two = folder.resolve("two");
        try (var first = Fd.open(one, Fd.O_RDWR | Fd.O_CREAT);
                var second = Fd.open(two, Fd.O_RDWR | Fd.O_CREAT);
                var process =
                        shell("echo second >&4; echo first >&3").start(List.of(first, second))) {
            assertThat(process.awaitExit(soon())).isTrue();
        }
        assertThat(one).hasContent("first\n");
        assertThat(two).hasContent("second\n");
    }

    @Test
    void a_program_runs_in_the_network_namespace_it_is_given_and_we_do_not() throws IOException {
        var name = "spawn" + new SecureRandom().nextInt(1 << 20);
        var ours = Files.readSymbolicLink(Path.of("/proc/self/ns/net"));
        Command.of("ip", "netns", "add", name).run();
        try {
            var inside =
                    outputOf(
                            new Spawn(
                                    List.of("/bin/readlink", "/proc/self/ns/net"),
                                    Map.of(),
                                    folder.resolve("output"),
                                    Optional.of(name)));

            assertThat(inside.strip()).startsWith("net:[").isNotEqualTo(ours.toString());
            assertThat(Files.readSymbolicLink(Path.of("/proc/thread-self/ns/net"))).isEqualTo(ours);
        } finally {
            Command.of("ip", "netns", "del", name).run();
        }
    }

    @Test
    void a_network_namespace_that_is_not_there_is_absent() {
        var spawn =
                new Spawn(
                        List.of("/bin/true"),
                        Map.of(),
                        folder.resolve("output"),
                        Optional.of("there-is-no-such-namespace"));

        assertThatThrownBy(spawn::start)
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.ABSENT));
    }

    @Test
    void a_program_that_is_not_there_cannot_be_started() {
        var spawn =
                new Spawn(
                        List.of("/no/such/program"),
                        Map.of(),
                        folder.resolve("output"),
                        Optional.empty());

        assertThatThrownBy(spawn::start)
                .isInstanceOfSatisfying(
                        LinuxException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOENT));
    }

    @Test
    void a_program_that_ends_at_once_is_known_and_reaped_all_the_same() {
        for (int i = 0; i < 50; i++) {
            try (var process = shell("exit 0").start()) {
                assertThat(process.identity().startTicks()).isPositive();
                assertThat(process.awaitExit(soon())).isTrue();
                assertThat(Path.of("/proc/" + process.identity().pid())).doesNotExist();
            }
        }
    }

    @Test
    void a_process_is_known_until_it_ends_and_not_mistaken_for_a_later_one() {
        try (var process = shell("exec /bin/sleep 60").start()) {
            var identity = process.identity();
            var earlier = new ProcessIdentity(identity.pid(), identity.startTicks() - 1);

            assertThat(identity.isAlive()).isTrue();
            assertThat(ProcessIdentity.of(identity.pid())).contains(identity);
            assertThat(earlier.isAlive()).isFalse();
            assertThat(process.awaitExit(Deadline.after(Duration.ofMillis(20)))).isFalse();

            process.kill();

            assertThat(process.awaitExit(soon())).isTrue();
            assertThat(identity.isAlive()).isFalse();
            assertThat(Path.of("/proc/" + identity.pid())).as("reaped").doesNotExist();
            process.kill(); // of one that has ended is fine
        }
    }

    @Test
    void a_pidfd_reaches_a_process_and_its_descriptors() throws IOException {
        var file = folder.resolve("held");
        Files.writeString(file, "held");
        try (var process = shell("exec 5<" + file + "; echo ready; exec /bin/sleep 60").start()) {
            Eventually.holds(
                    Duration.ofSeconds(5),
                    () -> assertThat(folder.resolve("output")).hasContent("ready\n"));
            try (var handle = Pidfd.open(process.identity().pid());
                    var copy = handle.duplicate(5)) {
                assertThat(Files.readSymbolicLink(Path.of("/proc/self/fd/" + copy.number())))
                        .isEqualTo(file.toRealPath());
                assertThat(handle.hasEnded()).isFalse();

                handle.terminate();

                assertThat(handle.awaitExit(soon())).isTrue();
                assertThat(handle.hasEnded()).isTrue();
            }
        }
    }

    @Test
    void a_process_that_is_not_there_cannot_be_opened() {
        assertThatThrownBy(() -> Pidfd.open(0x3fff_fff0))
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.ABSENT));
        assertThat(ProcessIdentity.of(0x3fff_fff0)).isEmpty();
    }
}
