package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Kind;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.control.capsule.ControlConfig;
import dev.wrenn.simhost.ChildPrograms;
import dev.wrenn.simhost.FailPoint;
import dev.wrenn.testkit.Eventually;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The capsule and its life: §2 and §3.2 of the API contract. */
class CapsuleLifecycleTest {
    private static final ControlConfig LIMITS = new ControlConfig(4, 128, 2_048, 3_600, 3, 1 << 20);
    private static final Duration SOON = Duration.ofSeconds(20);

    @RegisterExtension
    private static final ControlRig RIG = new ControlRig(new ChildPrograms(), LIMITS);

    @AfterEach
    void lets_pass_again() {
        for (var point : FailPoint.values()) {
            RIG.host().failPoints().clear(point);
        }
        RIG.host().limitTo(1_000);
    }

    @Test
    void a_capsule_is_created_with_the_defaults_and_runs_when_the_answer_comes() {
        var made = RIG.newClient().post("/v1/capsules", "{}").is(201);

        assertThat(made.path("id").asText()).matches("cl-[0-9a-z]{25}");
        assertThat(made.path("status").asText()).isEqualTo("running");
        assertThat(made.path("template").asText()).isEqualTo("minimal");
        assertThat(made.path("vcpus").isInt()).isTrue();
        assertThat(made.path("vcpus").asInt()).isEqualTo(1);
        assertThat(made.path("memory_mb").asInt()).isEqualTo(512);
        assertThat(made.path("timeout_sec").asInt(-1)).isZero();
        assertThat(made.path("host_ip").asText()).isNotEmpty();
        for (var time : List.of("created_at", "started_at", "last_active_at", "last_updated")) {
            assertIsTime(made.path(time));
        }
        assertThat(made.path("metadata").fieldNames())
                .toIterable()
                .contains("kernel_version", "agent_version", "envd_version");
        assertThat(made.has("guest_ip")).isFalse();
    }

    private static void assertIsTime(JsonNode text) {
        assertThat(text.asText()).matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ");
        assertThat(OffsetDateTime.parse(text.asText(), DateTimeFormatter.ISO_OFFSET_DATE_TIME))
                .isNotNull();
    }

    @ParameterizedTest
    @CsvSource({"0,0,0", "-1,-1,-1", "-1000000000,-1000000000,-1000000000"})
    void nothing_zero_and_less_mean_the_default(long vcpus, long memory, long timeout) {
        var made = RIG.newClient().post("/v1/capsules", body(vcpus, memory, timeout)).is(201);

        assertThat(made.path("vcpus").asInt()).isEqualTo(1);
        assertThat(made.path("memory_mb").asInt()).isEqualTo(512);
        assertThat(made.path("timeout_sec").asInt()).isZero();
    }

    private static String body(long vcpus, long memory, long timeout) {
        return "{\"vcpus\":%d,\"memory_mb\":%d,\"timeout_sec\":%d}"
                .formatted(vcpus, memory, timeout);
    }

    @Test
    void what_was_asked_for_is_what_runs() {
        var made = RIG.newClient().post("/v1/capsules", body(4, 2_048, 3_600)).is(201);

        assertThat(made.path("vcpus").asInt()).isEqualTo(4);
        assertThat(made.path("memory_mb").asInt()).isEqualTo(2_048);
        assertThat(made.path("timeout_sec").asInt()).isEqualTo(3_600);
    }

    @ParameterizedTest
    @CsvSource({
        "5,512,0",
        "1000000000,512,0",
        "1,127,0",
        "1,2049,0",
        "1,1000000000,0",
        "1,512,3601",
        "1,512,9223372036854775807"
    })
    void more_than_the_limits_is_a_bad_request_that_names_them(
            long vcpus, long memory, long timeout) {
        var client = RIG.newClient();

        assertThat(
                        client.post("/v1/capsules", body(vcpus, memory, timeout))
                                .fails(400, "invalid_request"))
                .containsPattern("4|128|3600");
        assertThat(client.get("/v1/capsules").is(200)).isEmpty();
    }

    @Test
    void an_unknown_template_and_a_name_that_is_none_make_nothing() {
        var client = RIG.newClient();

        client.post("/v1/capsules", "{\"template\":\"unheard-of\"}").fails(404, "not_found");
        for (var name : List.of("../minimal", "a/b", "-x", ".x", "x".repeat(65), "ä", "a b")) {
            client.post("/v1/capsules", "{\"template\":\"%s\"}".formatted(name))
                    .fails(400, "invalid_request");
        }
        assertThat(client.get("/v1/capsules").is(200)).isEmpty();
    }

    @Test
    void a_team_has_so_many_capsules_and_no_more_until_one_is_destroyed() {
        var client = RIG.newClient();
        client.createPaused();
        client.create();
        var third = client.create();

        assertThat(client.post("/v1/capsules", "{}").fails(409, "quota_exceeded")).contains("3");

        client.delete("/v1/capsules/" + third).is(204);
        client.post("/v1/capsules", "{}").is(201);
        RIG.newClient().post("/v1/capsules", "{}").is(201);
    }

    @Test
    void a_list_has_the_living_of_the_team_newest_first() {
        var client = RIG.newClient();
        var first = client.create();
        var second = client.createPaused();
        var gone = client.create();
        client.delete("/v1/capsules/" + gone).is(204);
        RIG.newClient().create();

        assertThat(client.get("/v1/capsules").is(200))
                .extracting(c -> c.path("id").asText())
                .containsExactly(second, first);
    }

    @Test
    void pause_and_resume_answer_when_done_and_in_turn() {
        var client = RIG.newClient();
        var path = "/v1/capsules/" + client.create();

        client.post(path + "/resume").fails(409, "invalid_state");
        assertThat(client.post(path + "/pause").is(200).path("status").asText())
                .isEqualTo("paused");
        assertThat(client.get(path).is(200).path("status").asText()).isEqualTo("paused");
        assertThat(client.get(path).is(200).path("host_ip").asText()).isNotEmpty();
        client.post(path + "/pause").fails(409, "invalid_state");
        client.post(path + "/ping").fails(409, "invalid_state");
        client.post(path + "/exec", "{\"cmd\":\"true\"}").fails(409, "invalid_state");
        client.get(path + "/processes").fails(409, "invalid_state");
        assertThat(client.post(path + "/resume").is(200).path("status").asText())
                .isEqualTo("running");
        client.post(path + "/ping").is(204);
    }

    @ParameterizedTest
    @ValueSource(strings = {"/pause", "/resume", "/ping"})
    void a_destroyed_capsule_answers_for_ever_and_does_nothing(String operation) {
        var client = RIG.newClient();
        var path = "/v1/capsules/" + client.create();

        assertThat(client.delete(path).status()).isEqualTo(204);
        assertThat(client.delete(path).status()).isEqualTo(204);

        assertThat(client.get(path).is(200).path("status").asText()).isEqualTo("stopped");
        client.post(path + operation).fails(409, "invalid_state");
        assertThat(client.get("/v1/capsules").is(200)).isEmpty();
    }

    @Test
    void a_paused_capsule_can_be_destroyed() {
        var client = RIG.newClient();
        var id = client.createPaused();

        client.delete("/v1/capsules/" + id).is(204);

        assertThat(client.status(id)).isEqualTo("stopped");
        assertThat(RIG.host().inventory()).noneMatch(c -> c.capsule().equals(new CapsuleId(id)));
    }

    @Test
    void a_create_that_fails_on_the_host_is_an_error_that_is_not_listed() {
        var client = RIG.newClient();
        RIG.host()
                .failPoints()
                .failOnce(FailPoint.CREATE, Kind.UNAVAILABLE, "the VM does not start");

        assertThat(client.post("/v1/capsules", "{}").fails(502, "agent_error"))
                .isEqualTo("the VM does not start");

        assertThat(client.get("/v1/capsules").is(200)).isEmpty();
    }

    @Test
    void a_full_machine_says_when_to_come_back() {
        RIG.host().limitTo(0);

        var answer = RIG.newClient().post("/v1/capsules", "{}");

        answer.fails(503, "no_hosts_available");
        assertThat(Integer.parseInt(answer.header("Retry-After"))).isPositive();
    }

    @ParameterizedTest
    @CsvSource({
        "UNAVAILABLE,502,agent_error",
        "CORRUPT,500,snapshot_corrupt",
        "EXHAUSTED,503,no_hosts_available",
        "BUG,500,internal_error"
    })
    void a_pause_or_resume_that_fails_leaves_the_state_as_it_was(
            Kind kind, int status, String code) {
        var client = RIG.newClient();
        var id = client.create();
        var path = "/v1/capsules/" + id;

        RIG.host().failPoints().failOnce(FailPoint.PAUSE, kind, "secret detail of a bug");
        var message = client.post(path + "/pause").fails(status, code);
        assertThat(message.contains("secret")).isEqualTo(kind != Kind.BUG);
        assertThat(client.status(id)).isEqualTo("running");
        client.post(path + "/pause").is(200);

        RIG.host().failPoints().failOnce(FailPoint.RESUME, kind, "secret detail of a bug");
        client.post(path + "/resume").fails(status, code);
        assertThat(client.status(id)).isEqualTo("paused");
        client.post(path + "/resume").is(200);
    }

    @Test
    void a_capsule_that_nobody_uses_is_paused_and_says_so() {
        var client = RIG.newClient();
        var id = client.create("{\"timeout_sec\":1}");

        Eventually.within(SOON, () -> client.status(id).equals("paused"));

        client.post("/v1/capsules/" + id + "/resume").is(200);
    }

    @Test
    void activity_shows_in_last_active_at() {
        var client = RIG.newClient();
        var path = "/v1/capsules/" + client.create();
        var before = client.get(path).json().path("last_active_at").asText();

        Eventually.within(
                SOON,
                () -> {
                    client.post(path + "/ping").is(204);
                    return client.get(path).json().path("last_active_at").asText().compareTo(before)
                            > 0;
                });
    }

    @Test
    void a_capsule_whose_vm_ends_is_an_error_or_paused_as_last_saved() {
        var client = RIG.newClient();
        var fresh = client.create();
        var saved = client.createPaused();
        client.post("/v1/capsules/" + saved + "/resume").is(200);

        RIG.host().loseVm(new CapsuleId(fresh), "the VM ended unexpectedly");
        RIG.host().loseVm(new CapsuleId(saved), "the VM ended unexpectedly");

        Eventually.within(SOON, () -> client.status(fresh).equals("error"));
        Eventually.within(SOON, () -> client.status(saved).equals("paused"));
        Eventually.within(
                SOON,
                "the host keeps nothing of it",
                () ->
                        RIG.host().inventory().stream()
                                .noneMatch(c -> c.capsule().text().equals(fresh)));
        assertThat(client.get("/v1/capsules/" + fresh).is(200).path("status").asText())
                .isEqualTo("error");
        client.post("/v1/capsules/" + fresh + "/resume").fails(409, "invalid_state");
        client.delete("/v1/capsules/" + fresh).is(204);
        assertThat(client.status(fresh)).isEqualTo("stopped");
    }

    @Test
    void variables_given_at_creation_reach_every_command() {
        var client = RIG.newClient();
        var id = client.create("{\"envs\":{\"SPECIES\":\"wren\"}}");

        var answer =
                client.post(
                        "/v1/capsules/" + id + "/exec",
                        "{\"cmd\":\"/bin/sh\",\"args\":[\"-c\",\"echo $SPECIES\"]}");

        assertThat(answer.is(200).path("stdout").asText()).isEqualTo("wren\n");
    }
}
