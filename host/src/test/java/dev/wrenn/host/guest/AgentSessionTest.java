package dev.wrenn.host.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.testkit.Eventually;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.eclipse.jetty.client.HttpClient;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A guest that has stopped: it takes connections and requests, and never answers. */
@DisplayNameGeneration(DisplayNameGenerator.ReplaceUnderscores.class)
class AgentSessionTest {
    private static final Duration LIMIT = Duration.ofSeconds(10);

    private final WrennException paused =
            new WrennException(Kind.WRONG_STATE, "the capsule was paused");
    private final Queue<Socket> accepted = new ConcurrentLinkedQueue<>();
    private final HttpClient http = new HttpClient();
    private ServerSocket agent;
    private Forks forks;
    private AgentSession session;

    @BeforeEach
    void playStoppedAgent() throws Exception {
        agent = new ServerSocket(0);
        forks = new Forks();
        forks.start(
                "agent",
                () -> {
                    while (true) {
                        accepted.add(agent.accept());
                    }
                });
        http.start();
        var guest =
                new GuestAgent(
                        http,
                        (Inet4Address) InetAddress.getByAddress(new byte[] {127, 0, 0, 1}),
                        agent.getLocalPort(),
                        "run",
                        new Secret("token"));
        session = new AgentSession(guest, () -> {});
    }

    @AfterEach
    void stop() throws Exception {
        session.close();
        http.stop();
        agent.close();
        forks.close();
        for (var socket : accepted) {
            socket.close();
        }
    }

    private boolean hasRequest() throws IOException {
        for (var socket : accepted) {
            if (socket.getInputStream().available() > 0) {
                return true;
            }
        }
        return false;
    }

    private static Arguments call(String name, Consumer<GuestSession> call) {
        return Arguments.of(name, call);
    }

    static Stream<Arguments> calls() {
        return Stream.of(
                call("a call", GuestSession::processes),
                call("a start", s -> s.start(ProcessStart.of("true", List.of()))),
                call("a watch", s -> s.watch("/", false)),
                call("a download", s -> s.read("/etc/hostname", 0)),
                call(
                        "an upload",
                        s -> s.write("/root/x", 0, new ByteArrayInputStream(new byte[5]))));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("calls")
    void what_is_under_way_when_the_run_ends_fails_at_once_and_says_why(
            String name, Consumer<GuestSession> call) {
        var caller =
                forks.start(
                        name,
                        () -> {
                            call.accept(session);
                            return name;
                        });
        Eventually.within(
                LIMIT,
                () -> {
                    try {
                        return hasRequest();
                    } catch (IOException e) {
                        throw new AssertionError(e);
                    }
                });

        session.end(paused);

        assertThatThrownBy(() -> caller.take(LIMIT)).isSameAs(paused);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("calls")
    void nothing_is_sent_after_the_end(String name, Consumer<GuestSession> call) {
        session.end(paused);

        assertThatThrownBy(() -> call.accept(session)).as(name).isSameAs(paused);
        assertThat(accepted).isEmpty();
    }

    @Test
    void a_call_that_ended_is_forgotten() throws Exception {
        assertThat(session.callsUnderWay()).isZero();
        var caller = forks.start("caller", session::processes);
        Eventually.within(LIMIT, () -> session.callsUnderWay() == 1);

        http.stop();

        assertThatThrownBy(() -> caller.take(LIMIT)).isInstanceOf(GuestFailure.class);
        Eventually.within(LIMIT, () -> session.callsUnderWay() == 0);
    }
}
