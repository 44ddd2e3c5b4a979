package dev.wrenn.control;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** TCP tunnels to ports of a capsule, and its console: additions to the API contract. */
class TunnelsTest {
    @RegisterExtension private static final ControlRig RIG = new ControlRig();

    private Api client;
    private String path;
    private ServerSocket service;

    @BeforeEach
    void start() throws IOException {
        client = RIG.newClient();
        path = "/v1/capsules/" + client.create();
        // The ports of a simulated guest are those of this machine's loopback.
        service = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
        Thread.ofVirtual().start(this::echo);
    }

    @AfterEach
    void stop() throws IOException {
        service.close();
    }

    private void echo() {
        while (!service.isClosed()) {
            try (var socket = service.accept()) {
                socket.getInputStream().transferTo(socket.getOutputStream());
                socket.getOutputStream().write("bye".getBytes(US_ASCII));
            } catch (IOException _) {
                return; // closed by the test's end
            }
        }
    }

    private Ws open() {
        var ws = Ws.open(client, tunnel(String.valueOf(service.getLocalPort())));
        assertThat(ws.next("open")).hasSize(1);
        return ws;
    }

    private String tunnel(String port) {
        return path + "/ports/" + port + "/tunnel";
    }

    private static String bytes(Ws ws, int count) {
        var all = new ByteArrayOutputStream();
        while (all.size() < count) {
            all.writeBytes(((Ws.Received.Bytes) ws.next()).bytes());
        }
        return all.toString(US_ASCII);
    }

    @Test
    void bytes_pass_both_ways_and_an_end_is_handed_on() {
        try (var ws = open()) {
            ws.send("ping".getBytes(US_ASCII));
            assertThat(bytes(ws, 4)).isEqualTo("ping");

            ws.send("{\"type\":\"eof\"}");

            assertThat(bytes(ws, 3)).isEqualTo("bye");
            ws.closes();
        }
    }

    @Test
    void a_pause_ends_a_tunnel_with_its_reason() {
        try (var ws = open()) {
            client.post(path + "/pause").is(200);

            var next = ws.next();
            while (next instanceof Ws.Received.Bytes) {
                next = ws.next(); // what the service says to the end of its connection
            }
            assertThat(next)
                    .isInstanceOfSatisfying(
                            Ws.Received.Message.class,
                            m -> {
                                assertThat(m.json().path("type").asText()).isEqualTo("error");
                                assertThat(m.json().path("data").asText()).contains("paused");
                            });
            ws.closes();
        }
    }

    @Test
    void a_port_nobody_listens_on_is_an_error() throws IOException {
        service.close();

        try (var ws = Ws.open(client, tunnel(String.valueOf(service.getLocalPort())))) {
            assertThat(ws.fails()).contains("nothing listens");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "65536", "http", "49983", "-1"})
    void what_is_no_port_of_a_capsule_is_an_error(String port) {
        try (var ws = Ws.open(client, tunnel(port))) {
            assertThat(ws.fails()).contains("port");
        }
    }

    @Test
    void a_console_can_be_read_while_its_capsule_runs() {
        var console = client.get(path + "/console").is(200);
        assertThat(console.path("sandbox_id").asText()).isEqualTo(path.substring(13));
        assertThat(console.path("text").asText()).isNotBlank();

        RIG.newClient().get(path + "/console").fails(404, "not_found");
        client.post(path + "/pause").is(200);
        client.get(path + "/console").fails(409, "invalid_state");
    }
}
