package dev.wrenn.host.guest;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import dev.wrenn.testkit.Eventually;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.eclipse.jetty.client.HttpClient;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator;
import org.junit.jupiter.api.Test;

/**
 * A guest's outer address is 127.0.0.77 here and its loopback 127.0.0.1; the agent is played by a
 * few lines that know the bridge.
 */
@DisplayNameGeneration(DisplayNameGenerator.ReplaceUnderscores.class)
class RunPortsTest {
    private static final String OUTER = "127.0.0.77";
    private static final String TOKEN = "the-token";
    private static final Duration LIMIT = Duration.ofSeconds(5);

    private final ArrayList<ServerSocket> servers = new ArrayList<>();
    private final AtomicInteger uses = new AtomicInteger();
    private final AtomicInteger bridged = new AtomicInteger();
    private RunPorts ports;
    private int agentPort;

    @BeforeEach
    void playAgent() throws IOException {
        var agent = listen(OUTER, this::bridge);
        agentPort = agent.getLocalPort();
        ports =
                new RunPorts(
                        new GuestAgent(
                                new HttpClient(),
                                (Inet4Address) InetAddress.getByName(OUTER),
                                agentPort,
                                "run",
                                new Secret(TOKEN)),
                        uses::incrementAndGet,
                        uses::decrementAndGet);
    }

    @AfterEach
    void stop() throws IOException {
        for (var server : servers) {
            server.close();
        }
    }

    @Test
    void a_service_on_the_outer_address_is_reached_without_the_agent() throws IOException {
        var service = listen(OUTER, RunPortsTest::greet);

        try (var channel = ports.connect(service.getLocalPort())) {
            assertThat(read(channel)).isEqualTo("hello");
        }
        assertThat(bridged).hasValue(0);
    }

    @Test
    void a_service_on_the_guests_loopback_is_reached_through_the_agent() throws IOException {
        var service = listen("127.0.0.1", RunPortsTest::greet);

        try (var channel = ports.connect(service.getLocalPort())) {
            assertThat(read(channel)).isEqualTo("hello");
        }
        assertThat(bridged).hasValue(1);
    }

    @Test
    void a_port_nobody_listens_on_is_unavailable() throws IOException {
        int closed;
        try (var server = new ServerSocket(0)) {
            closed = server.getLocalPort();
        }

        assertThatThrownBy(() -> ports.connect(closed))
                .isInstanceOfSatisfying(
                        WrennException.class,
                        e -> {
                            assertThat(e.kind()).isEqualTo(Kind.UNAVAILABLE);
                            assertThat(e.shownMessage()).contains("port " + closed);
                        });
    }

    @Test
    void the_agents_own_port_is_never_reached() {
        for (int port : new int[] {agentPort, 0, -1, 65_536}) {
            assertThatThrownBy(() -> ports.connect(port))
                    .isInstanceOfSatisfying(
                            WrennException.class,
                            e -> assertThat(e.kind()).isEqualTo(Kind.INVALID));
        }
    }

    @Test
    void the_end_of_the_run_closes_its_connections_and_tells_why() throws IOException {
        var service = listen(OUTER, socket -> {});
        var reasons = new CopyOnWriteArrayList<String>();
        ports.onEnd(reasons::add);
        var channel = ports.connect(service.getLocalPort());

        ports.end(new WrennException(Kind.WRONG_STATE, "it was paused"));
        ports.end(new WrennException(Kind.WRONG_STATE, "it was destroyed"));

        assertThat(channel.isOpen()).isFalse();
        assertThat(ports.isOpen()).isFalse();
        ports.onEnd(reasons::add);
        assertThat(reasons).containsExactly("it was paused", "it was paused");
        assertThatThrownBy(() -> ports.connect(service.getLocalPort())).hasMessage("it was paused");
        assertThatThrownBy(ports::use).hasMessage("it was paused");
    }

    @Test
    void a_use_counts_until_it_is_closed_and_only_once() {
        var first = ports.use();
        var second = ports.use();
        assertThat(uses).hasValue(2);

        first.close();
        first.close();

        assertThat(uses).hasValue(1);
        second.close();
        assertThat(uses).hasValue(0);
    }

    @Test
    void a_bridge_hands_over_every_byte_after_the_head() throws IOException {
        var service =
                listen(
                        "127.0.0.1",
                        socket -> {
                            // Speaks first, so that its bytes may arrive together with the head.
                            greet(socket);
                        });

        for (int i = 0; i < 50; i++) {
            try (var channel = ports.connect(service.getLocalPort())) {
                assertThat(read(channel)).isEqualTo("hello");
            }
        }
    }

    @Test
    void an_open_stream_through_a_session_can_be_half_closed() throws IOException {
        var service =
                listen(
                        "127.0.0.1",
                        socket -> {
                            try (socket) {
                                var all = socket.getInputStream().readAllBytes();
                                socket.getOutputStream().write(all);
                            } catch (IOException e) {
                                throw new java.io.UncheckedIOException(e);
                            }
                        });
        var agent =
                new GuestAgent(
                        new HttpClient(),
                        (Inet4Address) InetAddress.getByName(OUTER),
                        agentPort,
                        "run",
                        new Secret(TOKEN));

        try (var session = new AgentSession(agent, () -> {});
                var connection = session.connect(service.getLocalPort())) {
            connection.output().write("all of it".getBytes(US_ASCII));
            connection.shutdownOutput();
            assertThat(new String(connection.input().readAllBytes(), US_ASCII))
                    .isEqualTo("all of it");
        }
    }

    @Test
    void closed_channels_are_forgotten() throws IOException {
        var service = listen(OUTER, RunPortsTest::greet);

        for (int i = 0; i < 20; i++) {
            ports.connect(service.getLocalPort()).close();
        }

        Eventually.within(LIMIT, () -> ports.openChannels() <= 1);
    }

    private ServerSocket listen(String address, Consumer<Socket> service) throws IOException {
        var server = new ServerSocket();
        servers.add(server);
        server.bind(new InetSocketAddress(address, 0));
        Thread.ofVirtual()
                .start(() -> {
                    while (!server.isClosed()) {
                        try {
                            var socket = server.accept();
                            Thread.ofVirtual().start(() -> service.accept(socket));
                        } catch (IOException _) {
                            return; // closed by the test's end
                        }
                    }
                });
        return server;
    }

    private static void greet(Socket socket) {
        try (socket) {
            socket.getOutputStream().write("hello".getBytes(US_ASCII));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static String read(SocketChannel channel) throws IOException {
        var text = new StringBuilder();
        var buffer = ByteBuffer.allocate(64);
        while (channel.read(buffer) >= 0) {
            text.append(US_ASCII.decode(buffer.flip()));
            buffer.clear();
        }
        return text.toString();
    }

    /** What the agent does on {@code /bridge}. */
    private void bridge(Socket socket) {
        try (socket) {
            var reader =
                    new BufferedReader(new InputStreamReader(socket.getInputStream(), US_ASCII));
            var head = new StringBuilder();
            for (var line = reader.readLine(); !line.isEmpty(); line = reader.readLine()) {
                head.append(line).append('\n');
            }
            var port = Pattern.compile("GET /bridge\\?port=(\\d+) HTTP/1.1").matcher(head);
            assertThat(port.find()).isTrue();
            assertThat(head.toString()).contains("X-Access-Token: " + TOKEN);
            bridged.incrementAndGet();
            join(socket, Integer.parseInt(port.group(1)));
        } catch (IOException _) {
            // the test closed its end
        }
    }

    private static void join(Socket socket, int port) throws IOException {
        try (var service = new Socket(InetAddress.getLoopbackAddress(), port)) {
            socket.getOutputStream()
                    .write(
                            "HTTP/1.1 101 Switching Protocols\r\nupgrade: wrenn-tcp\r\n\r\n"
                                    .getBytes(US_ASCII));
            var up =
                    Thread.ofVirtual()
                            .start(() -> {
                                try {
                                    socket.getInputStream().transferTo(service.getOutputStream());
                                    service.shutdownOutput();
                                } catch (IOException _) {
                                    // either end left
                                }
                            });
            service.getInputStream().transferTo(socket.getOutputStream());
            socket.shutdownOutput();
            up.join();
        } catch (java.net.ConnectException _) {
            socket.getOutputStream().write("HTTP/1.1 502 Bad Gateway\r\n\r\n".getBytes(US_ASCII));
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }
}
