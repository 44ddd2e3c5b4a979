package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.Ids;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.host.HostTemplate;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.capsule.ControlConfig;
import dev.wrenn.simhost.ScriptedPrograms;
import dev.wrenn.testkit.Eventually;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The queue of builds: what is taken, what is refused, and what a dead worker leaves. */
class BuildQueueTest {
    private static final Duration SOON = Duration.ofSeconds(30);

    @RegisterExtension
    private static final ControlRig RIG =
            new ControlRig(
                    new ScriptedPrograms(Map.of("/bin/sh", BuildQueueTest::shell, "env", _ -> 0)),
                    ControlConfig.DEFAULTS);

    /** What the steps of these tests do: {@code wait} goes on until it is ended. */
    private static int shell(ScriptedPrograms.Console console) throws InterruptedException {
        var command = console.arguments().get(1);
        if (command.equals("wait")) {
            console.print("waiting\n");
            new CountDownLatch(1).await();
        }
        return command.equals("fail") ? 1 : 0;
    }

    private static String body(String name, String... lines) {
        var json = Api.JSON.createObjectNode().put("name", name).put("skip_pre_post", true);
        var recipe = json.putArray("recipe");
        List.of(lines).forEach(recipe::add);
        return json.toString();
    }

    private static JsonNode build(Api client, String id) {
        return client.get("/v1/builds/" + id).is(200);
    }

    private static JsonNode ended(Api client, String id, String status) {
        Eventually.within(SOON, () -> !build(client, id).path("completed_at").isMissingNode());
        var build = build(client, id);
        assertThat(build.path("status").asText()).as(build.toPrettyString()).isEqualTo(status);
        return build;
    }

    private static boolean isOnHost(TemplateId template) {
        return RIG.host().templates().stream()
                .map(HostTemplate::template)
                .anyMatch(template::equals);
    }

    private static boolean isOnHost(String capsule) {
        return RIG.host().inventory().stream()
                .anyMatch(c -> c.capsule().equals(new CapsuleId(capsule)));
    }

    @Test
    void a_build_is_listed_newest_first_and_belongs_to_its_team() {
        var client = RIG.newClient();
        var first = client.post("/v1/builds", body("one", "RUN x")).is(201).path("id").asText();
        var second = client.post("/v1/builds", body("two", "RUN x")).is(201).path("id").asText();

        var listed = client.get("/v1/builds").is(200);

        assertThat(listed.findValuesAsText("id")).containsExactly(second, first);
        assertThat(ended(client, first, "success").path("logs").get(0).path("cmd").asText())
                .isEqualTo("RUN x");
        var stranger = RIG.newClient();
        assertThat(stranger.get("/v1/builds").is(200)).isEmpty();
        stranger.get("/v1/builds/" + first).fails(404, "not_found");
        stranger.get("/v1/builds/" + first + "/logs").fails(404, "not_found");
        stranger.post("/v1/builds/" + first + "/cancel").fails(404, "not_found");
        client.get("/v1/builds/bld-nonsense").fails(400, "invalid_request");
        ended(client, second, "success");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "{\"name\":\"x\"}",
                "{\"name\":\"x\",\"recipe\":[]}",
                "{\"name\":\"x\",\"recipe\":\"RUN x\"}",
                "{\"name\":\"x\",\"recipe\":[\"FROM x\"]}",
                "{\"name\":\"../x\",\"recipe\":[\"RUN x\"]}",
                "{\"name\":\"x\",\"recipe\":[\"COPY a /b\"]}",
                "{\"name\":\"x\",\"recipe\":[\"RUN x\"],\"healthcheck\":\"--fast x\"}",
                "{\"name\":\"x\",\"recipe\":[\"RUN x\"],\"memory_mb\":1}",
                "{\"name\":\"x\",\"recipe\":[\"RUN x\"],\"vcpus\":1000}"
            })
    void what_cannot_be_built_is_refused_before_it_is_queued(String body) {
        var client = RIG.newClient();

        client.post("/v1/builds", body).fails(400, "invalid_request");

        assertThat(client.get("/v1/builds").is(200)).isEmpty();
    }

    @Test
    void names_and_bases_are_checked_at_once() {
        var client = RIG.newClient();
        client.post("/v1/builds", body("minimal", "RUN x")).fails(409, "name_reserved");
        client.post(
                        "/v1/builds",
                        "{\"name\":\"x\",\"base_template\":\"none\",\"recipe\":[\"RUN x\"]}")
                .fails(404, "not_found");
    }

    @Test
    void a_template_is_replaced_only_if_asked() {
        var client = RIG.newClient();
        var first = client.post("/v1/builds", body("app", "RUN x")).is(201).path("id").asText();
        ended(client, first, "success");
        var before = RIG.host().templates().size();

        client.post("/v1/builds", body("app", "RUN y")).fails(409, "template_name_taken");
        var again = body("app", "RUN y").replaceFirst("\\{", "{\"overwrite\":true,");
        var second = client.post("/v1/builds", again).is(201).path("id").asText();

        ended(client, second, "success");
        assertThat(RIG.host().templates()).as("the old one is gone").hasSize(before);
        assertThat(client.get("/v1/snapshots?type=base").is(200).findValuesAsText("name"))
                .containsOnlyOnce("app");
    }

    @Test
    void a_build_is_cancelled_in_the_middle_of_a_step_and_only_once() {
        var client = RIG.newClient();
        var id = client.post("/v1/builds", body("stuck", "RUN wait")).is(201).path("id").asText();
        Eventually.within(
                SOON, () -> client.get("/v1/builds/" + id + "/logs").text().contains("waiting"));
        var capsule = build(client, id).path("sandbox_id").asText();
        assertThat(isOnHost(capsule)).isTrue();

        client.post("/v1/builds/" + id + "/cancel").is(204);

        ended(client, id, "cancelled");
        Eventually.within(SOON, () -> !isOnHost(capsule));
        client.post("/v1/builds/" + id + "/cancel").fails(400, "invalid_request");
        assertThat(client.get("/v1/snapshots?type=base").is(200).findValuesAsText("name"))
                .doesNotContain("stuck");
    }

    @Test
    void a_team_has_so_many_unfinished_builds_and_no_more() {
        var client = RIG.newClient();
        for (int i = 0; i < 20; i++) {
            client.post("/v1/builds", body("n" + i, "RUN wait")).is(201);
        }

        client.post("/v1/builds", body("one-more", "RUN wait")).fails(409, "quota_exceeded");

        client.get("/v1/builds")
                .is(200)
                .findValuesAsText("id")
                .forEach(id -> client.post("/v1/builds/" + id + "/cancel").is(204));
    }

    /** How far a worker had come when its process was killed. */
    enum Killed {
        BEFORE_THE_CAPSULE,
        DURING_A_STEP,
        AFTER_THE_TEMPLATE,
        BEFORE_THE_LAST_WORD
    }

    @ParameterizedTest
    @EnumSource
    void a_build_whose_worker_was_killed_is_done_by_another_and_leaves_nothing(Killed when) {
        var team = RIG.newTeam();
        var client = RIG.clientOf(team);
        var capsule = CapsuleId.random().text();
        var template = TemplateId.random();
        if (when != Killed.BEFORE_THE_CAPSULE) {
            capsule = client.post("/v1/capsules", "{}").is(201).path("id").asText();
        }
        if (when == Killed.AFTER_THE_TEMPLATE || when == Killed.BEFORE_THE_LAST_WORD) {
            RIG.host().createTemplate(new CapsuleId(capsule), template);
        }
        if (when == Killed.BEFORE_THE_LAST_WORD) {
            register(team, template);
        }

        var id = orphan(team, capsule, template, 1);

        ended(client, id, "success");
        assertThat(client.get("/v1/snapshots?type=base").is(200).findValuesAsText("name"))
                .contains("orphan");
        var gone = capsule;
        if (when == Killed.BEFORE_THE_LAST_WORD) {
            assertThat(isOnHost(template)).isTrue();
        } else {
            assertThat(isOnHost(template)).isFalse();
            Eventually.within(SOON, () -> !isOnHost(gone));
        }
    }

    @Test
    void a_build_that_kills_its_worker_again_and_again_is_given_up() {
        var team = RIG.newTeam();
        var id = orphan(team, CapsuleId.random().text(), TemplateId.random(), 3);

        var build = ended(RIG.clientOf(team), id, "failed");

        assertThat(build.path("error").asText()).contains("3 times");
    }

    @ParameterizedTest
    @CsvSource({"RUN fail, failed", "RUN x, success"})
    void following_a_build_ends_with_its_outcome(String line, String outcome) {
        var client = RIG.newClient();
        var id = client.post("/v1/builds", body("followed", line)).is(201).path("id").asText();

        var lines = client.get("/v1/builds/" + id + "/logs?follow=true").text().lines().toList();

        assertThat(lines.getFirst()).contains("\"event\":\"step\"");
        assertThat(lines.getLast()).contains("\"event\":\"end\"", "\"" + outcome + "\"");
    }

    /** A build as a worker leaves it that was killed: its lease has passed. */
    private static String orphan(TeamId team, String capsule, TemplateId template, int attempts) {
        var id = Ids.of("bld-", UUID.randomUUID());
        var spec = Api.JSON.createObjectNode();
        spec.put("name", "orphan").put("memory_mb", 256).put("skip_pre_post", true);
        spec.putArray("recipe").add("RUN x");
        RIG.database()
                .jdbi()
                .useHandle(h ->
                        h.execute(
                                """
                                INSERT INTO builds (id, team_id, name, spec, status, sandbox_id,
                                                    template_id, epoch, attempts, lease_until,
                                                    created_at)
                                VALUES (?, ?, 'orphan', ?, 'running', ?, ?, 1, ?,
                                        now() - interval '1 second', now())
                                """,
                                id,
                                team.text(),
                                spec.toString(),
                                capsule,
                                template.uuid(),
                                attempts));
        return id;
    }

    private static void register(TeamId team, TemplateId template) {
        RIG.database()
                .jdbi()
                .useHandle(h ->
                        h.execute(
                                """
                                INSERT INTO templates (id, team_id, name, type, created_at)
                                VALUES (?, ?, 'orphan', 'base', now())
                                """,
                                template.uuid(),
                                team.text()));
    }
}
