package dev.wrenn.vmm.qemu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.DeadlinePassed;
import dev.wrenn.base.Forks;
import dev.wrenn.testkit.Eventually;
import dev.wrenn.vmm.VmmFailed;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The client against a peer that says what QEMU could say. */
@DisplayNameGeneration(ReplaceUnderscores.class)
final class QmpTest {
    private static final Duration SOON = Duration.ofSeconds(5);
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir Path folder;
    private final ConcurrentLinkedQueue<Qmp.Event> events = new ConcurrentLinkedQueue<>();
    private final AtomicInteger ends = new AtomicInteger();
    private ServerSocketChannel server;
    private SocketChannel peer;
    private BufferedReader requests;
    private Qmp qmp;

    @BeforeEach
    void connect() throws IOException {
        var address = UnixDomainSocketAddress.of(folder.resolve("qmp.sock"));
        server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(address);
        qmp = new Qmp("test", SocketChannel.open(address), events::add, ends::incrementAndGet);
        peer = server.accept();
        requests = new BufferedReader(Channels.newReader(peer, StandardCharsets.UTF_8));
        say("{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n");
    }

    @AfterEach
    void disconnect() throws IOException {
        qmp.close();
        peer.close();
        server.close();
    }

    @Test
    void answers_find_their_calls_in_any_order() throws IOException {
        var first = qmp.send("first", "one", Map.of());
        var second = qmp.send("second", "two", Map.of("x", 1));
        var one = heard();
        var two = heard();

        say("{\"return\": \"2\", \"id\": %s}\r\n".formatted(two.path("id")));
        say("{\"return\": \"1\", \"id\": %s}\r\n".formatted(one.path("id")));

        assertThat(second.await(soon()).asText()).isEqualTo("2");
        assertThat(first.await(soon()).asText()).isEqualTo("1");
        assertThat(two.path("execute").asText()).isEqualTo("two");
        assertThat(two.path("arguments").path("x").asInt()).isEqualTo(1);
    }

    /**
     * A thread that is interrupted while it writes to a channel closes it, and QEMU's VM with it.
     */
    @Test
    void an_interrupted_caller_does_not_cost_the_vm_its_monitor() throws IOException {
        Thread.currentThread().interrupt();
        var given = qmp.send("given up", "one", Map.of());
        assertThat(Thread.interrupted()).as("still told").isTrue();
        heard();

        var next = qmp.send("next", "two", Map.of());
        say("{\"return\": \"2\", \"id\": %s}\r\n".formatted(heard().path("id")));

        assertThat(next.await(soon()).asText()).isEqualTo("2");
        assertThatThrownBy(() -> given.await(Deadline.after(Duration.ZERO)))
                .isInstanceOf(DeadlinePassed.class);
        assertThat(ends).hasValue(0);
    }

    @Test
    void an_answer_in_pieces_and_a_huge_one_arrive_whole() throws IOException {
        var call = qmp.send("call", "query", Map.of());
        var id = heard().path("id").asText();
        var huge = "h".repeat(500_000);

        for (var piece : ("{\"id\":" + id + ",\"ret").split("", -1)) {
            say(piece);
        }
        say("urn\": \"" + huge + "\"}\r\n");

        assertThat(call.await(soon()).asText()).isEqualTo(huge);
    }

    @Test
    void an_error_carries_the_words_of_qemu_as_cause_only() throws IOException {
        var call = qmp.send("doing it", "x", Map.of());
        say(
                "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no /secret/path\"}, \"id\": %s}\r\n"
                        .formatted(heard().path("id")));

        assertThatThrownBy(() -> call.await(soon()))
                .isInstanceOfSatisfying(
                        VmmFailed.class, e -> assertThat(e.shownMessage()).doesNotContain("secret"))
                .cause()
                .hasMessage("no /secret/path");
    }

    @Test
    void an_event_reaches_the_listener_and_whoever_expects_it() throws IOException {
        var expected = qmp.expect("it", e -> e.name().equals("B"));
        say("{\"event\": \"A\", \"data\": {}}\r\n{\"event\": \"B\", \"data\": {\"n\": 7}}\r\n");

        assertThat(expected.await(soon()).path("n").asInt()).isEqualTo(7);
        Eventually.within(SOON, () -> events.size() == 2);
    }

    @Test
    void a_call_without_an_answer_ends_at_its_deadline_and_its_late_answer_is_ignored()
            throws IOException {
        var late = qmp.send("late", "x", Map.of());
        var id = heard().path("id");
        assertThatThrownBy(() -> late.await(Deadline.after(Duration.ofMillis(50))))
                .isInstanceOf(DeadlinePassed.class);

        say("{\"return\": \"late\", \"id\": %s}\r\n".formatted(id));
        var next = qmp.send("next", "y", Map.of());
        say("{\"return\": \"next\", \"id\": %s}\r\n".formatted(heard().path("id")));

        assertThat(next.await(soon()).asText()).isEqualTo("next");
    }

    @Test
    void whatever_waits_fails_at_once_when_the_monitor_goes() throws IOException {
        var call = qmp.send("call", "x", Map.of());
        var expected = qmp.expect("event", _ -> true);
        try (var forks = new Forks()) {
            var waiting = forks.start("wait", () -> call.await(Deadline.after(SOON.plus(SOON))));
            peer.close();

            assertThatThrownBy(() -> waiting.take(SOON)).isInstanceOf(Qmp.QmpClosed.class);
        }
        assertThatThrownBy(() -> expected.await(soon())).isInstanceOf(Qmp.QmpClosed.class);
        assertThatThrownBy(() -> qmp.execute("later", "x", Map.of(), soon()))
                .isInstanceOf(Qmp.QmpClosed.class);
        assertThatThrownBy(() -> qmp.expect("later", _ -> true).await(soon()))
                .isInstanceOf(Qmp.QmpClosed.class);
        assertThat(ends).hasValue(1);
    }

    @Test
    void nonsense_closes_the_connection() throws IOException {
        var call = qmp.send("call", "x", Map.of());

        say("{\"return\": ]\r\n");

        assertThatThrownBy(() -> call.await(soon())).isInstanceOf(Qmp.QmpClosed.class);
    }

    private static Deadline soon() {
        return Deadline.after(SOON);
    }

    private JsonNode heard() throws IOException {
        return JSON.readTree(requests.readLine());
    }

    private void say(String text) throws IOException {
        peer.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
    }
}
