package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Kind;
import dev.wrenn.simhost.FailPoint;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The watch of a directory; what all sockets share is in {@link StreamsTest}. */
class WatchTest {
    @RegisterExtension private static final ControlRig RIG = new ControlRig();

    private Api client;
    private String files;

    @BeforeEach
    void start() {
        client = RIG.newClient();
        files = "/v1/capsules/" + client.create() + "/files";
        client.post(files + "/mkdir", path("/srv/seen/sub")).is(200);
    }

    @AfterEach
    void lets_pass_again() {
        RIG.host().failPoints().clear(FailPoint.TELL_CHANGE);
    }

    private static String path(String path) {
        return Api.JSON.createObjectNode().put("path", path).toString();
    }

    private static String start(String path, boolean recursive) {
        return Api.JSON
                .createObjectNode()
                .put("type", "start")
                .put("path", path)
                .put("recursive", recursive)
                .toString();
    }

    private Ws watch(String path, boolean recursive) {
        var ws = Ws.open(client, files + "/watch").send(start(path, recursive));
        assertThat(ws.next("started")).hasSize(1);
        return ws;
    }

    private static String next(Ws ws) {
        var change = ws.next("change");
        assertThat(change).hasSize(3);
        return change.path("change").asText() + " " + change.path("name").asText();
    }

    @Test
    void every_change_is_told_in_order_by_its_kind_and_name() {
        try (var deep = watch("/srv/seen", true);
                var flat = watch("/srv/seen", false)) {
            client.post(files + "/mkdir", path("/srv/seen/sub/d")).is(200);
            client.post(
                            files + "/move",
                            "{\"source\":\"/srv/seen/sub/d\",\"destination\":\"/srv/seen/e\"}")
                    .is(200);
            client.post(files + "/chmod", "{\"path\":\"/srv/seen/e\",\"mode\":448}").is(200);
            client.post(files + "/remove", path("/srv/seen/e")).is(204);

            assertThat(next(deep)).isEqualTo("create sub/d");
            assertThat(next(deep)).isEqualTo("rename sub/d");
            for (var ws : java.util.List.of(deep, flat)) {
                assertThat(next(ws)).isEqualTo("create e");
                assertThat(next(ws)).isEqualTo("chmod e");
                assertThat(next(ws)).isEqualTo("remove e");
            }
        }
    }

    @Test
    void changes_that_are_lost_end_the_watch_with_an_error() {
        try (var ws = watch("/srv/seen", true)) {
            RIG.host()
                    .failPoints()
                    .fail(FailPoint.TELL_CHANGE, Kind.EXHAUSTED, "there were too many changes");

            client.post(files + "/mkdir", path("/srv/seen/x")).is(200);

            assertThat(ws.fails()).contains("too many changes");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"type\":\"watch\",\"path\":\"/srv\"}",
                "{\"type\":\"start\"}",
                "{\"type\":\"start\",\"path\":\"\"}",
                "{\"type\":\"start\",\"path\":5}",
                "{\"type\":\"start\",\"path\":\"/srv\",\"recursive\":\"yes\"}",
                "{\"type\":\"start\",\"path\":\"/no/such\"}"
            })
    void what_cannot_be_watched_is_an_error(String message) {
        try (var ws = Ws.open(client, files + "/watch")) {
            assertThat(ws.send(message).fails()).isNotBlank();
        }
    }

    @Test
    void whatever_else_a_client_says_is_passed_over() {
        try (var ws = watch("/srv/seen", false)) {
            ws.send("no JSON").send("{\"type\":\"x\"}").send(new byte[] {1});

            client.post(files + "/mkdir", path("/srv/seen/x")).is(200);

            assertThat(next(ws)).isEqualTo("create x");
        }
    }
}
