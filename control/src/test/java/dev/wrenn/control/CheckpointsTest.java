package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Kind;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.CheckpointId;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.control.capsule.ControlConfig;
import dev.wrenn.simhost.ChildPrograms;
import dev.wrenn.simhost.FailPoint;
import java.net.http.HttpRequest.BodyPublishers;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Checkpoints, rollback, retention and forks through the API. */
class CheckpointsTest {
    private static final int PER_TEAM = 6;
    private static final ControlConfig FEW =
            new ControlConfig(
                    ControlConfig.DEFAULTS.maxVcpus(),
                    ControlConfig.DEFAULTS.minMemoryMb(),
                    ControlConfig.DEFAULTS.maxMemoryMb(),
                    ControlConfig.DEFAULTS.maxTimeoutSec(),
                    PER_TEAM,
                    ControlConfig.DEFAULTS.maxJsonBytes());

    @RegisterExtension static final ControlRig RIG = new ControlRig(new ChildPrograms(), FEW);

    private final Api api = RIG.newClient();

    @AfterEach
    void make_room() {
        RIG.host().limitTo(10_000);
    }

    private static String path(String id) {
        return "/v1/capsules/" + id;
    }

    private JsonNode history(String id) {
        return api.get(path(id) + "/checkpoints").is(200).path("checkpoints");
    }

    private String checkpoint(String id) {
        return api.post(path(id) + "/checkpoints", "{}").is(201).path("id").asText();
    }

    private void write(String id, String text) {
        api.post(path(id) + "/exec", exec("echo " + text + " > note")).is(200);
    }

    private String read(String id) {
        return api.post(path(id) + "/exec", exec("cat note")).is(200).path("stdout").asText();
    }

    private static String exec(String script) {
        return "{\"cmd\":\"/bin/sh\",\"args\":[\"-c\",\"%s\"]}".formatted(script);
    }

    private Api.Answer put(String path, String json) {
        return api.send("PUT", path, BodyPublishers.ofString(json), Map.of());
    }

    @Test
    void every_pause_is_listed_with_why_and_from_where() {
        var id = api.createPaused();
        api.post(path(id) + "/resume").is(200);
        var made = api.post(path(id) + "/checkpoints", "{\"name\":\"before the upgrade\"}").is(201);

        var all = api.get(path(id) + "/checkpoints").is(200);

        assertThat(all.path("retention").path("keep_last").asInt()).isEqualTo(5);
        assertThat(all.path("retention").path("keep_for_sec").asInt()).isZero();
        var newest = all.path("checkpoints").path(0);
        assertThat(newest).isEqualTo(made);
        assertThat(newest.path("name").asText()).isEqualTo("before the upgrade");
        assertThat(newest.path("cause").asText()).isEqualTo("asked");
        assertThat(newest.path("current").asBoolean()).isTrue();
        assertThat(newest.path("written_bytes").isIntegralNumber()).isTrue();
        var first = all.path("checkpoints").path(1);
        assertThat(first.path("cause").asText()).isEqualTo("pause");
        assertThat(first.path("current").asBoolean()).isFalse();
        assertThat(first.has("name")).isFalse();
        assertThat(newest.path("parent")).isEqualTo(first.path("id"));
        assertThat(java.time.Instant.parse(first.path("created_at").asText()))
                .isBeforeOrEqualTo(java.time.Instant.parse(newest.path("created_at").asText()));
        assertThat(api.status(id)).isEqualTo("running");
    }

    @Test
    void the_state_of_a_paused_capsule_gets_the_name() {
        var id = api.createPaused();

        var named = api.post(path(id) + "/checkpoints", "{\"name\":\"kept\"}").is(201);

        assertThat(history(id)).hasSize(1);
        assertThat(history(id).path(0)).isEqualTo(named);
        assertThat(named.path("cause").asText()).isEqualTo("pause");
        assertThat(api.status(id)).isEqualTo("paused");
    }

    @Test
    void a_running_capsule_goes_back_and_forth() {
        var id = api.create();
        write(id, "one");
        var one = checkpoint(id);
        write(id, "two");

        var back = api.post(path(id) + "/rollback", "{\"checkpoint\":\"" + one + "\"}").is(200);

        assertThat(back.path("status").asText()).isEqualTo("running");
        assertThat(read(id)).isEqualTo("one\n");
        var left = history(id).path(0);
        assertThat(left.path("cause").asText()).isEqualTo("rollback");
        assertThat(left.path("reason").asText()).contains(one);
        api.post(path(id) + "/rollback", "{\"checkpoint\":" + left.path("id") + "}").is(200);
        assertThat(read(id)).isEqualTo("two\n");
    }

    @Test
    void a_paused_capsule_goes_back_and_stays_paused() {
        var id = api.create();
        write(id, "one");
        var one = checkpoint(id);
        write(id, "two");
        api.post(path(id) + "/pause").is(200);

        var back = api.post(path(id) + "/rollback", "{\"checkpoint\":\"" + one + "\"}").is(200);

        assertThat(back.path("status").asText()).isEqualTo("paused");
        api.post(path(id) + "/resume").is(200);
        assertThat(read(id)).isEqualTo("one\n");
    }

    @Test
    void a_rollback_that_fails_half_way_is_shown_as_it_is() {
        var id = api.create();
        var one = checkpoint(id);
        RIG.host()
                .failPoints()
                .failOnce(FailPoint.ROLLBACK, Kind.UNAVAILABLE, "the disk does not answer");

        api.post(path(id) + "/rollback", "{\"checkpoint\":\"" + one + "\"}")
                .fails(502, "agent_error");

        assertThat(api.status(id)).isEqualTo("paused");
        assertThat(history(id)).hasSize(2);
    }

    @Test
    void what_is_kept_can_be_chosen() {
        var id = api.create();
        for (int i = 0; i < 7; i++) {
            checkpoint(id);
        }
        assertThat(history(id)).hasSize(5);

        var kept = put(path(id) + "/retention", "{\"keep_last\":2,\"keep_for_sec\":0}").is(200);
        assertThat(kept.path("checkpoints")).hasSize(2);

        put(path(id) + "/retention", "{\"keep_for_sec\":3600}").is(200);
        for (int i = 0; i < 3; i++) {
            checkpoint(id);
        }
        assertThat(history(id)).hasSize(5);
        assertThat(api.get(path(id) + "/checkpoints").is(200).path("retention").toString())
                .isEqualTo("{\"keep_last\":2,\"keep_for_sec\":3600}");

        for (var wrong :
                List.of(
                        "{\"keep_last\":0}",
                        "{\"keep_last\":1001}",
                        "{\"keep_last\":5000000000}",
                        "{\"keep_for_sec\":-1}",
                        "{\"keep_for_sec\":9223372036854775807}",
                        "{\"keep_last\":\"2\"}")) {
            put(path(id) + "/retention", wrong).fails(400, "invalid_request");
        }
    }

    @Test
    void checkpoints_are_deleted_but_the_current_one() {
        var id = api.create();
        var first = checkpoint(id);
        var second = checkpoint(id);

        api.delete(path(id) + "/checkpoints/" + second).fails(409, "invalid_state");
        api.delete(path(id) + "/checkpoints/" + first).is(204);

        assertThat(history(id)).hasSize(1);
        api.delete(path(id) + "/checkpoints/" + first).fails(404, "not_found");
        api.post(path(id) + "/rollback", "{\"checkpoint\":\"" + first + "\"}")
                .fails(404, "not_found");
    }

    @Test
    void what_cannot_be_is_refused_with_a_reason() {
        var id = api.create();
        api.post(path(id) + "/checkpoints", "{\"name\":\"/etc\"}").fails(400, "invalid_request");
        api.post(path(id) + "/checkpoints", "{\"name\":\"" + "x".repeat(65) + "\"}")
                .fails(400, "invalid_request");
        api.post(path(id) + "/checkpoints", "{\"name\":1}").fails(400, "invalid_request");
        api.post(path(id) + "/rollback", "{}").fails(400, "invalid_request");
        api.post(path(id) + "/rollback", "{\"checkpoint\":\"x\"}").fails(400, "invalid_request");
        api.delete(path(id) + "/checkpoints/x").fails(400, "invalid_request");
        api.post(path(id) + "/fork", "{\"count\":0}").fails(400, "invalid_request");
        api.post(path(id) + "/fork", "{\"count\":101}").fails(400, "invalid_request");
        api.post(path(id) + "/fork", "{\"checkpoint\":\"x\"}").fails(400, "invalid_request");
        api.post(path(id) + "/fork", "{\"timeout_sec\":99999999999}").fails(400, "invalid_request");
        api.post(path(id) + "/fork", "{\"checkpoint\":\"" + CheckpointId.random() + "\"}")
                .fails(404, "not_found");
        assertThat(api.get("/v1/capsules").is(200)).hasSize(1);
        api.delete(path(id)).is(204);
        api.post(path(id) + "/checkpoints", "{}").fails(409, "invalid_state");
        api.post(path(id) + "/fork", "{}").fails(409, "invalid_state");
    }

    @Test
    void another_team_sees_and_changes_nothing() {
        var id = api.create();
        var one = checkpoint(id);
        var other = RIG.newClient();

        other.get(path(id) + "/checkpoints").fails(404, "not_found");
        other.post(path(id) + "/checkpoints", "{}").fails(404, "not_found");
        other.delete(path(id) + "/checkpoints/" + one).fails(404, "not_found");
        other.post(path(id) + "/rollback", "{\"checkpoint\":\"" + one + "\"}")
                .fails(404, "not_found");
        other.post(path(id) + "/fork", "{}").fails(404, "not_found");
        other.send("PUT", path(id) + "/retention", BodyPublishers.ofString("{}"), Map.of())
                .fails(404, "not_found");
        other.get(path(CapsuleId.random().text()) + "/checkpoints").fails(404, "not_found");
    }

    @Test
    void forks_are_capsules_of_their_own() {
        var id = api.create("{\"timeout_sec\":600}");
        write(id, "common");

        var made = api.post(path(id) + "/fork", "{\"count\":2}").is(201);

        assertThat(made.path("forks")).hasSize(2);
        assertThat(history(id).path(0).path("id")).isEqualTo(made.path("checkpoint"));
        assertThat(history(id).path(0).path("cause").asText()).isEqualTo("fork");
        var ids = new ArrayList<String>();
        for (var fork : made.path("forks")) {
            var capsule = fork.path("capsule");
            assertThat(capsule.path("status").asText()).isEqualTo("running");
            assertThat(capsule.path("forked_from").asText()).isEqualTo(id);
            assertThat(capsule.path("timeout_sec").asInt()).isEqualTo(600);
            assertThat(capsule.path("template").asText()).isEqualTo("minimal");
            ids.add(capsule.path("id").asText());
        }
        assertThat(ids).doesNotHaveDuplicates().doesNotContain(id);
        write(ids.get(0), "first");
        assertThat(read(ids.get(1))).isEqualTo("common\n");
        assertThat(read(id)).isEqualTo("common\n");
        assertThat(history(ids.get(0))).isNotNull();
    }

    @Test
    void a_fork_of_a_checkpoint_goes_on_from_there() {
        var id = api.create();
        write(id, "one");
        var one = checkpoint(id);
        write(id, "two");
        api.post(path(id) + "/pause").is(200);

        var made =
                api.post(path(id) + "/fork", "{\"checkpoint\":\"" + one + "\",\"timeout_sec\":60}")
                        .is(201);

        assertThat(made.path("checkpoint").asText()).isEqualTo(one);
        var capsule = made.path("forks").path(0).path("capsule");
        assertThat(capsule.path("timeout_sec").asInt()).isEqualTo(60);
        assertThat(read(capsule.path("id").asText())).isEqualTo("one\n");
        assertThat(api.status(id)).isEqualTo("paused");
    }

    @Test
    void forks_that_would_exceed_the_limit_of_the_team_are_none() {
        var id = api.create();

        var message =
                api.post(path(id) + "/fork", "{\"count\":%d}".formatted(PER_TEAM))
                        .fails(409, "quota_exceeded");

        assertThat(message).contains("may have 6 capsules");
        assertThat(api.get("/v1/capsules").is(200)).hasSize(1);
        api.post(path(id) + "/fork", "{\"count\":%d}".formatted(PER_TEAM - 1)).is(201);
        assertThat(api.get("/v1/capsules").is(200)).hasSize(PER_TEAM);
    }

    @Test
    void the_answer_tells_which_forks_did_not_fit() {
        var id = api.create();
        long running =
                RIG.host().inventory().stream().filter(c -> c.state() == HostState.RUNNING).count();
        RIG.host().limitTo((int) running + 2);

        var forks = api.post(path(id) + "/fork", "{\"count\":4}").is(201).path("forks");

        assertThat(forks).hasSize(4);
        assertThat(forks).filteredOn(f -> f.has("capsule")).hasSize(2);
        assertThat(forks)
                .filteredOn(f -> f.has("error"))
                .hasSize(2)
                .allMatch(f -> f.path("error").path("code").asText().equals("no_hosts_available"));
        assertThat(api.get("/v1/capsules").is(200)).hasSize(3);
    }

    @Test
    void a_fork_of_which_nothing_fits_fails() {
        var id = api.create();
        long running =
                RIG.host().inventory().stream().filter(c -> c.state() == HostState.RUNNING).count();
        RIG.host().limitTo((int) running);

        api.post(path(id) + "/fork", "{\"count\":2}").fails(503, "no_hosts_available");

        assertThat(api.get("/v1/capsules").is(200)).hasSize(1);
        assertThat(api.status(id)).isEqualTo("running");
    }

    @Test
    void forks_have_the_port_rules_of_their_parent() {
        var id = api.create("{\"private_ports\":true,\"auto_resume\":true}");

        var capsule = api.post(path(id) + "/fork", "{}").is(201).path("forks").path(0);

        assertThat(capsule.path("capsule").path("private_ports").asBoolean()).isTrue();
        assertThat(capsule.path("capsule").path("auto_resume").asBoolean()).isTrue();
    }

    @Test
    void a_fork_that_the_host_cannot_begin_leaves_no_capsule() {
        var id = api.create();
        RIG.host()
                .failPoints()
                .failOnce(FailPoint.FORK, Kind.UNAVAILABLE, "the disk does not answer");

        api.post(path(id) + "/fork", "{\"count\":2}").fails(502, "agent_error");

        assertThat(api.get("/v1/capsules").is(200)).hasSize(1);
        assertThat(api.status(id)).isEqualTo("running");
    }
}
