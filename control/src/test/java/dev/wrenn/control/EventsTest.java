package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.simhost.FailPoint;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The stream of what happens to a team. */
class EventsTest {
    private static final Duration LIMIT = Duration.ofSeconds(40);
    private static final String STREAM = "/v1/events/stream";

    @RegisterExtension private static final ControlRig RIG = new ControlRig();

    private TeamId team;
    private Api client;

    @BeforeEach
    void start() {
        team = RIG.newTeam();
        client = RIG.clientOf(team);
    }

    @AfterEach
    void lets_pass_again() {
        RIG.host().failPoints().clear(FailPoint.PAUSE);
    }

    /** One event as it came. */
    private record Told(String id, String name, JsonNode json) {
        String event() {
            return json.path("event").asText();
        }

        String meta(String field) {
            return json.path("metadata").path(field).asText();
        }
    }

    /** A stream as its client reads it; what takes too long fails. */
    private static final class Following implements AutoCloseable {
        private final Forks forks = new Forks();
        private final InputStream body;
        private final BufferedReader lines;

        private Following(InputStream body) {
            this.body = body;
            this.lines = new BufferedReader(new InputStreamReader(body, StandardCharsets.UTF_8));
        }

        /** The next block of lines: an event or a comment. */
        List<String> block() {
            return forks.<List<String>>start(
                            "block",
                            () -> {
                                var block = new ArrayList<String>();
                                for (var line = lines.readLine();
                                        line != null && !line.isEmpty();
                                        line = lines.readLine()) {
                                    block.add(line);
                                }
                                return block;
                            })
                    .take(LIMIT);
        }

        Told next() {
            var block = block();
            assertThat(block).as("an event").isNotEmpty();
            var id = "";
            var name = "";
            var data = "";
            for (var line : block) {
                var parts = line.split(": ", 2);
                switch (parts[0]) {
                    case "id" -> id = parts[1];
                    case "event" -> name = parts[1];
                    case "data" -> data = parts[1];
                    default -> throw new AssertionError("unexpected " + line);
                }
            }
            try {
                return new Told(id, name, Api.JSON.readTree(data));
            } catch (JsonProcessingException e) {
                throw new AssertionError("no JSON: " + data, e);
            }
        }

        /** The next of that sort; others before it are passed over. */
        Told next(String event) {
            while (true) {
                var told = next();
                if (told.event().equals(event)) {
                    return told;
                }
            }
        }

        @Override
        public void close() throws IOException {
            body.close();
            forks.close();
        }
    }

    private static HttpResponse<InputStream> open(String baseUrl, String key, String lastId)
            throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(URI.create(baseUrl + STREAM)).header("X-API-Key", key);
        if (!lastId.isEmpty()) {
            request.header("Last-Event-ID", lastId);
        }
        return Api.HTTP.send(request.build(), BodyHandlers.ofInputStream());
    }

    private Following follow() throws Exception {
        return follow(client.baseUrl(), client.key(), "");
    }

    private static Following follow(String baseUrl, String key, String lastId) throws Exception {
        var response = open(baseUrl, key, lastId);
        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.headers().firstValue("Content-Type")).contains("text/event-stream");
        var following = new Following(response.body());
        var connected = following.next();
        assertThat(connected.name()).isEqualTo("connected");
        assertThat(connected.event()).isEqualTo("connected");
        return following;
    }

    private void insertMany(int count) {
        RIG.database()
                .jdbi()
                .useHandle(h ->
                        h.execute(
                                """
                                INSERT INTO events (team_id, kind, resource_type, resource_id, created_at)
                                SELECT ?, 'template.snapshot.delete', 'snapshot', 'n' || n, now()
                                FROM generate_series(1, ?) n
                                """,
                                team.text(),
                                count));
    }

    @Test
    void the_life_of_a_capsule_is_told_in_order_with_who_did_it() throws Exception {
        try (var events = follow()) {
            var id = client.create();
            client.post("/v1/capsules/" + id + "/pause").is(200);
            client.post("/v1/capsules/" + id + "/resume").is(200);
            client.delete("/v1/capsules/" + id).is(204);

            for (var expected :
                    new String[][] {
                        {"pending", "running", "capsule.create"},
                        {"running", "paused", "capsule.pause"},
                        {"paused", "running", "capsule.resume"},
                        {"running", "stopped", "capsule.destroy"}
                    }) {
                var changed = events.next();
                assertThat(changed.name()).isEqualTo("capsule.state.changed");
                assertThat(changed.meta("from")).isEqualTo(expected[0]);
                assertThat(changed.meta("to")).isEqualTo(expected[1]);
                assertThat(changed.json().has("actor")).isFalse();
                var done = events.next();
                assertThat(done.name()).isEqualTo(expected[2]);
                assertThat(done.event()).isEqualTo(expected[2]);
                assertThat(done.json().path("outcome").asText()).isEqualTo("success");
                assertThat(done.json().path("actor").path("type").asText()).isEqualTo("api_key");
                assertThat(done.json().path("actor").path("id").asText()).startsWith("key-");
                assertThat(done.json().path("actor").path("name").asText()).isEqualTo("test");
                for (var told : new Told[] {changed, done}) {
                    assertThat(told.json().path("resource"))
                            .isEqualTo(
                                    Api.JSON
                                            .createObjectNode()
                                            .put("id", id)
                                            .put("type", "sandbox"));
                    assertThat(told.json().path("sandbox").path("id").asText()).isEqualTo(id);
                    var time = told.json().path("timestamp").asText();
                    assertThat(OffsetDateTime.parse(time)).isNotNull();
                }
            }
        }
    }

    @Test
    void what_fails_is_told_with_its_reason_and_what_is_refused_is_not() throws Exception {
        var id = client.create();
        try (var events = follow()) {
            RIG.host().failPoints().fail(FailPoint.PAUSE, Kind.UNAVAILABLE, "the disk is slow");
            client.post("/v1/capsules/" + id + "/resume").fails(409, "invalid_state");
            client.post("/v1/capsules/" + id + "/pause").fails(502, "agent_error");

            var failed = events.next();

            assertThat(failed.event()).isEqualTo("capsule.pause");
            assertThat(failed.json().path("outcome").asText()).isEqualTo("error");
            assertThat(failed.json().path("error").asText()).isEqualTo("the disk is slow");
        }
    }

    @Test
    void templates_are_told_by_name() throws Exception {
        var id = client.create();
        try (var events = follow()) {
            client.post("/v1/snapshots", "{\"sandbox_id\":\"" + id + "\",\"name\":\"told\"}")
                    .is(201);
            client.delete("/v1/snapshots/told").is(204);

            for (var event :
                    new String[] {"template.snapshot.create", "template.snapshot.delete"}) {
                var told = events.next(event);
                assertThat(told.json().path("resource").path("id").asText()).isEqualTo("told");
                assertThat(told.json().path("resource").path("type").asText())
                        .isEqualTo("snapshot");
                assertThat(told.json().path("outcome").asText()).isEqualTo("success");
                assertThat(told.json().has("sandbox")).isFalse();
            }
        }
    }

    @Test
    void a_pause_that_nobody_asked_for_says_why() throws Exception {
        try (var events = follow()) {
            client.create("{\"timeout_sec\":1}");

            var paused = events.next("capsule.pause");

            assertThat(paused.meta("reason")).contains("expired");
            assertThat(paused.json().path("actor").path("type").asText()).isEqualTo("system");
        }
    }

    @Test
    void nobody_hears_of_another_team_and_all_servers_tell_the_same() throws Exception {
        var others = RIG.newClient();
        try (var another = RIG.another();
                var here = follow();
                var there = follow("http://127.0.0.1:" + another.port(), client.key(), "")) {
            others.create();
            var id = client.create();

            for (var events : new Following[] {here, there}) {
                var told = events.next("capsule.create");
                assertThat(told.json().path("resource").path("id").asText()).isEqualTo(id);
            }
        }
    }

    @Test
    void who_comes_back_hears_what_was_missed_and_nothing_twice() throws Exception {
        String last;
        try (var events = follow()) {
            client.create();
            last = events.next("capsule.create").id();
        }
        var missed = client.create();
        insertMany(450);

        try (var events = follow(client.baseUrl(), client.key(), last)) {
            assertThat(events.next().meta("to")).isEqualTo("running");
            var created = events.next();
            assertThat(created.json().path("resource").path("id").asText()).isEqualTo(missed);
            for (int n = 1; n <= 450; n++) {
                assertThat(events.next().json().path("resource").path("id").asText())
                        .isEqualTo("n" + n);
            }
            client.delete("/v1/capsules/" + missed).is(204);
            assertThat(events.next().meta("to")).isEqualTo("stopped");
        }
    }

    @Test
    void an_id_that_is_none_is_refused() throws Exception {
        var response = open(client.baseUrl(), client.key(), "yesterday");

        assertThat(response.statusCode()).isEqualTo(400);
        assertThat(new String(response.body().readAllBytes(), StandardCharsets.UTF_8))
                .contains("Last-Event-ID");
    }

    @Test
    void who_does_not_read_is_told_so_and_nothing_is_left_out_silently() throws Exception {
        try (var socket = new Socket()) {
            socket.setReceiveBufferSize(4096);
            socket.connect(
                    new InetSocketAddress(InetAddress.getLoopbackAddress(), RIG.control().port()));
            socket.getOutputStream()
                    .write(
                            "GET %s HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n\r\n"
                                    .formatted(STREAM, client.key())
                                    .getBytes(StandardCharsets.US_ASCII));
            assertThat(socket.getInputStream().read()).isEqualTo('H');

            insertMany(40_000);

            var rest = new StringBuilder();
            var buffer = new byte[64 << 10];
            while (rest.indexOf(":closed: events came faster") < 0) {
                int n = socket.getInputStream().read(buffer);
                assertThat(n).as("the stream ended without a word").isPositive();
                rest.append(new String(buffer, 0, n, StandardCharsets.UTF_8));
            }
            assertThat(rest).contains("\"id\":\"n1\"").doesNotContain("\"id\":\"n40000\"");
        }
    }

    @Test
    void a_team_has_a_limited_number_of_streams() throws Exception {
        var open = new ArrayList<Following>();
        try {
            for (int i = 0; i < 100; i++) {
                open.add(follow());
            }
            assertThat(open(client.baseUrl(), client.key(), "").statusCode()).isEqualTo(409);
        } finally {
            for (var following : open) {
                following.close();
            }
        }
    }

    @Test
    void a_server_that_stops_says_so() throws Exception {
        var another = RIG.another();
        try (var events = follow("http://127.0.0.1:" + another.port(), client.key(), "")) {
            another.close();

            assertThat(events.block()).containsExactly(":closed: the server stops; connect again");
        } finally {
            another.close();
        }
    }

    @Test
    void silence_is_filled_and_a_revoked_key_hears_no_more() throws Exception {
        var key = RIG.control().keys().create(team, "soon gone");
        try (var events = follow();
                var ending = follow(client.baseUrl(), key.reveal(), "")) {
            var gone =
                    RIG.control().keys().list(team).stream()
                            .filter(k -> k.name().equals("soon gone"))
                            .findFirst()
                            .orElseThrow();
            assertThat(RIG.control().keys().revoke(gone.id())).isTrue();

            assertThat(ending.block()).containsExactly(":closed: the API key was revoked");
            assertThat(events.block()).containsExactly(":keepalive");
        }
    }

    @Test
    void without_a_key_there_is_no_stream() {
        new Api(client.baseUrl(), "").get(STREAM).fails(401, "unauthorized");
        new Api(client.baseUrl(), "wrn_0")
                .send("GET", STREAM, HttpRequest.BodyPublishers.noBody(), Map.of())
                .fails(401, "unauthorized");
    }
}
