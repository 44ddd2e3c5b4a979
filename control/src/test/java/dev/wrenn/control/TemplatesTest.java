package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.simhost.FailPoint;
import java.net.http.HttpRequest.BodyPublishers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Templates: §2.5 and §3.9 of the API contract. */
class TemplatesTest {
    private static final Duration SOON = Duration.ofSeconds(20);

    @RegisterExtension private static final ControlRig RIG = new ControlRig();

    private Api client;

    @BeforeEach
    void start() {
        client = RIG.newClient();
    }

    @AfterEach
    void lets_pass_again() {
        for (var point : FailPoint.values()) {
            RIG.host().failPoints().clear(point);
        }
    }

    private Api.Answer snapshot(String capsule, String name, boolean overwrite) {
        return client.post(
                "/v1/snapshots" + (overwrite ? "?overwrite=true" : ""),
                Api.JSON
                        .createObjectNode()
                        .put("sandbox_id", capsule)
                        .put("name", name)
                        .toString());
    }

    private void write(String capsule, String content) {
        client.post(
                        "/v1/capsules/" + capsule + "/exec",
                        "{\"cmd\":\"/bin/sh\",\"args\":[\"-c\",\"echo %s > note\"]}"
                                .formatted(content))
                .is(200);
    }

    private String noteOf(String capsule) {
        return client.post("/v1/capsules/" + capsule + "/files/read", "{\"path\":\"note\"}").text();
    }

    private long heldTemplates() {
        return RIG.host().templates().size();
    }

    @Test
    void the_built_in_template_is_always_there() {
        var list = client.get("/v1/snapshots").is(200);

        assertThat(list).hasSize(1);
        JsonNode minimal = list.get(0);
        assertThat(minimal.path("name").asText()).isEqualTo("minimal");
        assertThat(minimal.path("type").asText()).isEqualTo("base");
        assertThat(minimal.path("vcpus").asInt()).isEqualTo(1);
        assertThat(minimal.path("memory_mb").asInt()).isEqualTo(512);
        assertThat(minimal.path("size_bytes").asLong(-1)).isZero();
        assertThat(minimal.path("platform").asBoolean()).isTrue();
        assertThat(minimal.path("created_at").asText()).endsWith("Z");
    }

    @Test
    void a_template_of_a_running_capsule_leaves_it_paused_and_starts_others() {
        var origin = client.create("{\"vcpus\":2,\"memory_mb\":1024}");
        write(origin, "hello");

        var made = snapshot(origin, "my-env", false).is(201);

        assertThat(made.path("name").asText()).isEqualTo("my-env");
        assertThat(made.path("type").asText()).isEqualTo("snapshot");
        assertThat(made.path("vcpus").asInt()).isEqualTo(2);
        assertThat(made.path("memory_mb").asInt()).isEqualTo(1_024);
        assertThat(made.path("size_bytes").asLong()).isPositive();
        assertThat(made.path("platform").asBoolean(true)).isFalse();
        assertThat(client.status(origin)).isEqualTo("paused");

        var other =
                client.post(
                                "/v1/capsules",
                                "{\"template\":\"my-env\",\"vcpus\":1,\"memory_mb\":256}")
                        .is(201);
        assertThat(other.path("template").asText()).isEqualTo("my-env");
        assertThat(other.path("vcpus").asInt()).isEqualTo(2);
        assertThat(other.path("memory_mb").asInt()).isEqualTo(1_024);
        assertThat(noteOf(other.path("id").asText())).isEqualTo("hello\n");
        client.post("/v1/capsules/" + origin + "/resume").is(200);
    }

    @Test
    void a_paused_capsule_becomes_a_template_with_a_name_of_its_own() {
        var made =
                client.post(
                                "/v1/snapshots",
                                "{\"sandbox_id\":\"%s\"}".formatted(client.createPaused()))
                        .is(201);

        assertThat(made.path("name").asText()).matches("template-[0-9a-f]{8}");
    }

    @Test
    void a_list_has_the_teams_own_and_the_platforms_and_can_be_filtered() {
        snapshot(client.create(), "mine", false).is(201);

        assertThat(client.get("/v1/snapshots").is(200))
                .extracting(t -> t.path("name").asText())
                .containsExactly("mine", "minimal");
        assertThat(client.get("/v1/snapshots?type=snapshot").is(200))
                .extracting(t -> t.path("name").asText())
                .containsExactly("mine");
        assertThat(client.get("/v1/snapshots?type=base").is(200))
                .extracting(t -> t.path("name").asText())
                .containsExactly("minimal");
        assertThat(client.get("/v1/snapshots?type=other").is(200)).isEmpty();
        assertThat(RIG.newClient().get("/v1/snapshots?type=snapshot").is(200)).isEmpty();
    }

    @Test
    void a_name_in_use_is_refused_unless_it_may_be_replaced() {
        var first = client.create();
        write(first, "first");
        var second = client.create();
        write(second, "second");
        snapshot(first, "env", false).is(201);
        var held = heldTemplates();

        snapshot(second, "env", false).fails(409, "template_name_taken");
        assertThat(client.status(second)).isEqualTo("running");
        snapshot(second, "env", true).is(201);

        assertThat(noteOf(client.create("{\"template\":\"env\"}"))).isEqualTo("second\n");
        assertThat(heldTemplates()).isEqualTo(held);
        snapshot(second, "minimal", true).fails(409, "name_reserved");
        snapshot(second, "minimal", false).fails(409, "name_reserved");
    }

    @Test
    void of_two_who_want_one_name_at_once_one_gets_it_and_nothing_is_left_over() {
        var held = heldTemplates();
        var first = client.createPaused();
        var second = client.createPaused();
        try (var forks = new Forks();
                var gate = RIG.host().failPoints().block(FailPoint.CREATE_TEMPLATE)) {
            var making = new ArrayList<Forks.Fork<Integer>>();
            for (var capsule : new String[] {first, second}) {
                making.add(forks.start("snapshot", () -> snapshot(capsule, "env", false).status()));
            }
            gate.awaitReached();
            gate.open();
            var statuses = new ArrayList<Integer>();
            making.forEach(m -> statuses.add(m.take(SOON)));

            assertThat(statuses).containsExactlyInAnyOrder(201, 409);
        }
        assertThat(heldTemplates()).isEqualTo(held + 1);
    }

    @Test
    void a_replacement_that_fails_leaves_the_template_as_it_was() {
        var first = client.create();
        write(first, "first");
        snapshot(first, "env", false).is(201);
        RIG.host().failPoints().failOnce(FailPoint.CREATE_TEMPLATE, Kind.UNAVAILABLE, "no room");

        snapshot(client.create(), "env", true).fails(502, "agent_error");

        assertThat(noteOf(client.create("{\"template\":\"env\"}"))).isEqualTo("first\n");
    }

    @Test
    void a_deleted_template_is_gone_and_capsules_of_it_live_on() {
        snapshot(client.create(), "env", false).is(201);
        var capsule = client.create("{\"template\":\"env\"}");

        assertThat(client.delete("/v1/snapshots/env").status()).isEqualTo(204);

        client.delete("/v1/snapshots/env").fails(404, "not_found");
        client.post("/v1/capsules", "{\"template\":\"env\"}").fails(404, "not_found");
        assertThat(client.status(capsule)).isEqualTo("running");
    }

    @Test
    void a_platform_template_cannot_be_deleted_nor_can_anothers() {
        snapshot(client.create(), "env", false).is(201);

        client.delete("/v1/snapshots/minimal").fails(403, "forbidden");
        RIG.newClient().delete("/v1/snapshots/env").fails(404, "not_found");

        assertThat(client.get("/v1/snapshots?type=snapshot").is(200)).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../env",
                "..",
                ".",
                ".env",
                "-env",
                "_env",
                "a/b",
                "a\\b",
                "a b",
                "a\u0000b",
                "ä",
                "a\nb",
                "0123456789012345678901234567890123456789012345678901234567890123x"
            })
    void a_name_that_is_none_is_a_bad_request_and_pauses_nothing(String name) {
        var capsule = client.create();

        snapshot(capsule, name, false).fails(400, "invalid_request");

        assertThat(client.status(capsule)).isEqualTo("running");
    }

    @Test
    void only_a_capsule_of_the_team_that_runs_or_is_paused_becomes_a_template() {
        var gone = client.create();
        client.delete("/v1/capsules/" + gone).is(204);

        client.post("/v1/snapshots", "{}").fails(400, "invalid_request");
        client.post("/v1/snapshots", "{\"sandbox_id\":\"sb-1\"}").fails(400, "invalid_request");
        snapshot("cl-0000000000000000000000001", "env", false).fails(404, "not_found");
        snapshot(RIG.newClient().create(), "env", false).fails(404, "not_found");
        snapshot(gone, "env", false).fails(409, "invalid_state");
        client.send("PUT", "/v1/snapshots", BodyPublishers.ofString("{}"), Map.of())
                .fails(405, "method_not_allowed");
    }
}
