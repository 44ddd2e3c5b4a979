package dev.wrenn.gateway;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.contract.CapsuleId;
import dev.wrenn.testkit.Eventually;
import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What the client of a tunnel hears when its capsule is paused. */
@Timeout(180)
@DisplayNameGeneration(DisplayNameGenerator.ReplaceUnderscores.class)
class GatewayFarewellTest {
    private static final Duration LIMIT = Duration.ofSeconds(20);

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

    /** A service that sends that to each WebSocket, and then waits. */
    private static LocalService sending(byte[] bytes, String protocol) throws IOException {
        return LocalService.talking(socket -> {
            LocalService.head(socket);
            write(
                    socket,
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: %s\r\nConnection: Upgrade\r\n\r\n"
                            .formatted(protocol));
            socket.getOutputStream().write(bytes);
            socket.getInputStream().transferTo(OutputStream.nullOutputStream());
        });
    }

    @Test
    void the_client_of_a_websocket_is_told_of_a_pause_by_a_close_frame() throws Exception {
        byte[] hello = {(byte) 0x81, 5, 'h', 'e', 'l', 'l', 'o'};
        try (var service = sending(hello, "WebSocket");
                var socket = rig.connect()) {
            upgrade(socket, hostName(service));
            LocalService.head(socket);
            assertThat(socket.getInputStream().readNBytes(hello.length)).isEqualTo(hello);

            rig.host().pause(capsule);

            var input = socket.getInputStream();
            assertThat(input.read()).isEqualTo(0x88);
            var payload = input.readNBytes(input.read());
            assertThat(payload[0] << 8 | Byte.toUnsignedInt(payload[1])).isEqualTo(1001);
            assertThat(new String(payload, 2, payload.length - 2, UTF_8)).contains("was paused");
            assertThat(input.read()).isEqualTo(-1);
        }
    }

    static Stream<byte[]> whatNoFrameMayFollow() {
        return Stream.of(
                new byte[] {(byte) 0x82, 5, 'h', 'a', 'l'}, // half a frame
                new byte[] {(byte) 0x82, 127, 0, 0}, // half a length
                new byte[] {(byte) 0x88, 2, 0x03, (byte) 0xe8}); // the guest's own Close
    }

    @ParameterizedTest
    @MethodSource("whatNoFrameMayFollow")
    void no_close_frame_is_put_where_none_may_be(byte[] sent) throws Exception {
        try (var service = sending(sent, "websocket");
                var socket = rig.connect()) {
            upgrade(socket, hostName(service));
            LocalService.head(socket);
            assertThat(socket.getInputStream().readNBytes(sent.length)).isEqualTo(sent);

            rig.host().pause(capsule);

            assertThat(endOf(socket)).isEqualTo(-1);
        }
    }

    @Test
    void other_protocols_get_no_word_of_the_gateway() throws Exception {
        try (var service = sending(new byte[] {'x'}, "other");
                var socket = rig.connect()) {
            upgrade(socket, hostName(service));
            LocalService.head(socket);
            assertThat(socket.getInputStream().read()).isEqualTo('x');

            rig.host().pause(capsule);

            assertThat(endOf(socket)).isEqualTo(-1);
        }
    }

    @Test
    void a_client_that_sends_on_still_reads_the_close_frame_and_one_that_stays_is_dropped()
            throws Exception {
        try (var service = sending(new byte[] {(byte) 0x89, 0}, "websocket");
                var socket = rig.connect()) {
            upgrade(socket, hostName(service));
            LocalService.head(socket);
            assertThat(socket.getInputStream().readNBytes(2)).hasSize(2);
            rig.host().pause(capsule);
            assertThat(socket.getInputStream().read()).isEqualTo(0x88);

            for (int i = 0; i < 100; i++) {
                write(socket, "still here");
            }
            var rest = socket.getInputStream().readAllBytes();

            assertThat(new String(rest, UTF_8)).contains("was paused");
            // It does not leave: after five seconds its connection is reset.
            Eventually.within(LIMIT, () -> isRefused(socket));
        }
    }

    @Test
    void a_client_that_does_not_read_is_dropped_after_a_pause() throws Exception {
        var large = new byte[64 << 20];
        try (var service = sending(large, "websocket");
                var socket = rig.connect()) {
            upgrade(socket, hostName(service));
            LocalService.head(socket);
            assertThat(socket.getInputStream().read()).isZero();

            rig.host().pause(capsule);

            Eventually.within(LIMIT, () -> isRefused(socket));
        }
    }

    private static boolean isRefused(Socket socket) {
        try {
            write(socket, "x");
            return false;
        } catch (IOException _) {
            return true;
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
}
