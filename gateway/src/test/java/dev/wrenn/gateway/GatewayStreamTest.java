package dev.wrenn.gateway;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.testkit.Eventually;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Random;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Bodies, tunnels and what becomes of them when an end is slow, half done or gone. */
@Timeout(180)
@DisplayNameGeneration(DisplayNameGenerator.ReplaceUnderscores.class)
class GatewayStreamTest {
    private static final Duration LIMIT = Duration.ofSeconds(20);
    private static final int BLOCK = 1 << 20;
    private static final long GIB = 1L << 30; // twice the heap of the tests

    @TempDir Path folder;
    private GatewayRig rig;
    private CapsuleId capsule;

    @BeforeEach
    void start() throws Exception {
        rig = new GatewayRig(folder, GatewayConfig.DEFAULTS);
        capsule = rig.capsule(Duration.ZERO);
    }

    @AfterEach
    void stop() throws Exception {
        rig.close();
    }

    private String hostName(LocalService service) {
        return GatewayRig.hostName(capsule, service.port());
    }

    @Test
    void an_event_arrives_while_the_answer_goes_on() throws Exception {
        var more = new LinkedBlockingQueue<String>();
        try (var service =
                        LocalService.talking(socket -> {
                            LocalService.head(socket);
                            write(
                                    socket,
                                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
                            for (var event = more.take(); !event.isEmpty(); event = more.take()) {
                                write(socket, event);
                            }
                        });
                var socket = rig.connect()) {
            GatewayRig.send(socket, "GET", hostName(service), "/events");
            var head = LocalService.head(socket);
            assertThat(head).contains("text/event-stream");
            for (int i = 0; i < 5; i++) {
                var event = "data: %d\n\n".formatted(i);
                more.add(event);
                assertThat(read(socket, event.length())).isEqualTo(event);
            }
            more.add("");
            assertThat(socket.getInputStream().read()).isEqualTo(-1);
        }
    }

    @Test
    void the_guest_reads_a_body_while_the_client_still_writes_it() throws Exception {
        var seen = new LinkedBlockingQueue<String>();
        try (var service =
                        LocalService.talking(socket -> {
                            LocalService.head(socket);
                            for (int i = 0; i < 3; i++) {
                                seen.add(read(socket, 5));
                            }
                            write(socket, LocalService.ok("done"));
                        });
                var socket = rig.connect()) {
            GatewayRig.send(socket, "POST", hostName(service), "/", "Content-Length: 15");
            for (var part : new String[] {"one..", "two..", "three"}) {
                write(socket, part);
                assertThat(seen.poll(10, TimeUnit.SECONDS)).isEqualTo(part);
            }
            assertThat(new String(socket.getInputStream().readAllBytes(), ISO_8859_1))
                    .endsWith("done");
        }
    }

    @Test
    void an_upload_larger_than_the_heap_arrives_whole() throws Exception {
        try (var service =
                        LocalService.talking(socket -> {
                            var head = LocalService.head(socket);
                            assertThat(head).contains("Content-Length: " + GIB);
                            write(socket, LocalService.ok(digest(socket.getInputStream(), GIB)));
                        });
                var socket = rig.connect()) {
            GatewayRig.send(socket, "PUT", hostName(service), "/", "Content-Length: " + GIB);
            var sent = send(socket.getOutputStream(), GIB);

            assertThat(new String(socket.getInputStream().readAllBytes(), ISO_8859_1))
                    .endsWith("\r\n\r\n" + sent);
        }
    }

    @Test
    void a_download_larger_than_the_heap_arrives_whole() throws Exception {
        var sent = new LinkedBlockingQueue<String>();
        try (var service =
                        LocalService.talking(socket -> {
                            LocalService.head(socket);
                            write(
                                    socket,
                                    "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n".formatted(GIB));
                            sent.add(send(socket.getOutputStream(), GIB));
                        });
                var socket = rig.connect()) {
            GatewayRig.send(socket, "GET", hostName(service), "/");
            LocalService.head(socket);

            assertThat(digest(socket.getInputStream(), GIB)).isEqualTo(sent.take());
        }
    }

    @Test
    void a_client_that_does_not_read_stops_the_guest_and_not_the_gateway() throws Exception {
        var written = new AtomicLong();
        try (var service =
                        LocalService.talking(socket -> {
                            LocalService.head(socket);
                            write(socket, "HTTP/1.1 200 OK\r\n\r\n");
                            var block = new byte[64 << 10];
                            while (true) {
                                socket.getOutputStream().write(block);
                                written.addAndGet(block.length);
                            }
                        });
                var socket = rig.connect()) {
            GatewayRig.send(socket, "GET", hostName(service), "/");
            LocalService.head(socket);
            Eventually.within(LIMIT, () -> written.get() > 0);
            Eventually.within(
                    LIMIT,
                    () -> {
                        long before = written.get();
                        java.util.concurrent.locks.LockSupport.parkNanos(300_000_000);
                        return written.get() == before;
                    });

            // What the kernel's buffers of four sockets hold, not what a heap could.
            assertThat(written.get()).isLessThan(64L << 20);
        }
    }

    @Test
    void a_client_that_leaves_ends_the_request_to_the_guest() throws Exception {
        var ended = new LinkedBlockingQueue<Boolean>();
        var shortLived = rig.capsule(Duration.ofSeconds(1));
        try (var service =
                LocalService.talking(socket -> {
                    LocalService.head(socket);
                    write(socket, "HTTP/1.1 200 OK\r\n\r\n");
                    try {
                        while (true) {
                            write(socket, "tick\n");
                        }
                    } catch (IOException _) {
                        ended.add(true);
                    }
                })) {
            try (var socket = rig.connect()) {
                GatewayRig.send(
                        socket, "GET", GatewayRig.hostName(shortLived, service.port()), "/");
                LocalService.head(socket);
            }

            assertThat(ended.poll(10, TimeUnit.SECONDS)).isTrue();
            Eventually.within(
                    LIMIT, () -> rig.host().describe(shortLived).state() == HostState.PAUSED);
        }
    }

    @Test
    void a_body_that_breaks_off_is_not_taken_for_whole() throws Exception {
        var rest = new LinkedBlockingQueue<Integer>();
        try (var service =
                LocalService.talking(socket -> {
                    LocalService.head(socket);
                    read(socket, 4);
                    try {
                        rest.add(socket.getInputStream().read());
                    } catch (IOException _) {
                        rest.add(-1);
                    }
                })) {
            try (var socket = rig.connect()) {
                GatewayRig.send(socket, "POST", hostName(service), "/", "Content-Length: 1000");
                write(socket, "part");
            }

            assertThat(rest.poll(10, TimeUnit.SECONDS)).isEqualTo(-1);
        }
    }

    @Test
    void a_body_that_was_announced_is_asked_for_and_passed_on() throws Exception {
        try (var service =
                        LocalService.talking(socket -> {
                            // One that does not know announcements would wait for the body for
                            // ever.
                            assertThat(LocalService.head(socket)).doesNotContain("Expect");
                            write(socket, LocalService.ok(read(socket, 5)));
                        });
                var socket = rig.connect()) {
            announce(socket, hostName(service), 5);
            assertThat(LocalService.head(socket)).startsWith("HTTP/1.1 100 ");
            write(socket, "hello");

            assertThat(new String(socket.getInputStream().readAllBytes(), ISO_8859_1))
                    .contains(" 200 ")
                    .endsWith("hello");
        }
    }

    @Test
    void a_refusal_arrives_before_the_body_is_sent() throws Exception {
        try (var service =
                        LocalService.answering(
                                _ -> "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
                var socket = rig.connect()) {
            announce(socket, hostName(service), 500_000_000);

            var answer = LocalService.head(socket);
            if (answer.startsWith("HTTP/1.1 100 ")) {
                answer = LocalService.head(socket);
            }
            assertThat(answer).startsWith("HTTP/1.1 413 ");
        }
    }

    private static void announce(Socket socket, String hostName, int length) throws IOException {
        GatewayRig.send(
                socket, "POST", hostName, "/", "Expect: 100-continue", "Content-Length: " + length);
    }

    /** A service that agrees to any upgrade, and then sends back what it gets. */
    private static LocalService echo() throws IOException {
        return LocalService.talking(socket -> {
            var head = LocalService.head(socket);
            assertThat(head).contains("Connection: Upgrade\r\n").contains("Upgrade: websocket\r\n");
            write(
                    socket,
                    """
                    HTTP/1.1 101 Switching Protocols\r
                    Upgrade: websocket\r
                    Connection: Upgrade\r
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r
                    \r
                    welcome\
                    """);
            socket.getInputStream().transferTo(socket.getOutputStream());
            write(socket, "bye");
        });
    }

    private static void upgrade(Socket socket, String hostName) throws IOException {
        GatewayRig.send(
                socket,
                "GET",
                hostName,
                "/socket",
                "Connection: keep-alive, Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Version: 13");
    }

    @Test
    void an_upgrade_becomes_a_tunnel_for_any_bytes_both_ways() throws Exception {
        try (var service = echo();
                var socket = rig.connect()) {
            upgrade(socket, hostName(service));
            assertThat(LocalService.head(socket))
                    .startsWith("HTTP/1.1 101 ")
                    .contains("Upgrade: websocket")
                    .contains("Connection: Upgrade")
                    .contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
            assertThat(read(socket, 7)).isEqualTo("welcome");

            var sent = new LinkedBlockingQueue<String>();
            Thread.ofVirtual()
                    .start(() -> {
                        try {
                            sent.add(send(socket.getOutputStream(), 32L << 20));
                        } catch (Exception e) {
                            sent.add(e.toString());
                        }
                    });
            var received = digest(socket.getInputStream(), 32L << 20);

            assertThat(received).isEqualTo(sent.take());
        }
    }

    @Test
    void a_client_that_is_done_still_gets_the_guests_last_word() throws Exception {
        try (var service = echo();
                var socket = rig.connect()) {
            upgrade(socket, hostName(service));
            LocalService.head(socket);
            read(socket, 7);
            write(socket, "last");
            socket.shutdownOutput();

            assertThat(new String(socket.getInputStream().readAllBytes(), ISO_8859_1))
                    .isEqualTo("lastbye");
        }
    }

    @Test
    void bytes_right_behind_the_upgrade_are_not_lost() throws Exception {
        try (var service = echo();
                var socket = rig.connect()) {
            var request =
                    "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\neager"
                            .formatted(hostName(service));
            write(socket, request);
            LocalService.head(socket);

            assertThat(read(socket, 12)).isEqualTo("welcomeeager");
        }
    }

    @Test
    void an_upgrade_that_the_guest_refuses_is_an_ordinary_answer() throws Exception {
        try (var service =
                        LocalService.answering(
                                _ -> "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope");
                var socket = rig.connect()) {
            upgrade(socket, hostName(service));

            assertThat(LocalService.head(socket)).startsWith("HTTP/1.1 403 ");
            assertThat(read(socket, 4)).isEqualTo("nope");
        }
    }

    @Test
    void a_tunnel_keeps_the_capsule_busy_until_it_is_closed() throws Exception {
        var shortLived = rig.capsule(Duration.ofSeconds(1));
        var idle = rig.capsule(Duration.ofSeconds(1));
        try (var service = echo()) {
            try (var socket = rig.connect()) {
                upgrade(socket, GatewayRig.hostName(shortLived, service.port()));
                LocalService.head(socket);
                Eventually.within(
                        LIMIT, () -> rig.host().describe(idle).state() == HostState.PAUSED);
                assertThat(rig.host().describe(shortLived).state()).isEqualTo(HostState.RUNNING);
            }
            Eventually.within(
                    LIMIT, () -> rig.host().describe(shortLived).state() == HostState.PAUSED);
        }
    }

    @Test
    void a_pause_closes_tunnels_at_once() throws Exception {
        try (var service = echo();
                var first = rig.connect();
                var second = rig.connect()) {
            for (var socket : new Socket[] {first, second}) {
                upgrade(socket, hostName(service));
                LocalService.head(socket);
                read(socket, 7);
            }

            rig.host().pause(capsule);

            for (var socket : new Socket[] {first, second}) {
                assertThat(endOf(socket)).isEqualTo(-1);
            }
        }
    }

    @Test
    void a_stopping_server_closes_tunnels() throws Exception {
        try (var service = echo();
                var socket = rig.connect()) {
            upgrade(socket, hostName(service));
            LocalService.head(socket);
            read(socket, 7);

            rig.close();

            assertThat(endOf(socket)).isEqualTo(-1);
        }
    }

    private static int endOf(Socket socket) {
        try {
            return socket.getInputStream().read();
        } catch (IOException _) {
            return -1; // reset
        }
    }

    private static void write(Socket socket, String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(ISO_8859_1));
    }

    private static String read(Socket socket, int length) throws IOException {
        return new String(socket.getInputStream().readNBytes(length), ISO_8859_1);
    }

    /** Sends that many bytes; returns their digest. */
    private static String send(OutputStream output, long bytes) throws Exception {
        var digest = MessageDigest.getInstance("SHA-1");
        var block = new byte[BLOCK];
        new Random(7).nextBytes(block);
        for (long left = bytes; left > 0; left -= BLOCK) {
            block[(int) (left >> 20) % BLOCK]++; // no two blocks alike
            digest.update(block);
            output.write(block);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /** Reads that many bytes; returns their digest. */
    private static String digest(InputStream input, long bytes) throws Exception {
        var digest = MessageDigest.getInstance("SHA-1");
        var block = new byte[64 << 10];
        long left = bytes;
        while (left > 0) {
            int n = input.read(block, 0, (int) Math.min(left, block.length));
            if (n < 0) {
                return "ended %d bytes early".formatted(left);
            }
            digest.update(block, 0, n);
            left -= n;
        }
        return HexFormat.of().formatHex(digest.digest());
    }
}
