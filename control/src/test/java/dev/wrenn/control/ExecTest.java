package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.testkit.Eventually;
import java.time.Duration;
import java.util.Base64;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Commands: §3.3 and §3.5 of the API contract. */
class ExecTest {
    private static final Duration SOON = Duration.ofSeconds(20);

    @RegisterExtension private static final ControlRig RIG = new ControlRig();

    private Api client;
    private String path;

    @BeforeEach
    void start() {
        client = RIG.newClient();
        path = "/v1/capsules/" + client.create();
    }

    private Api.Answer exec(String body) {
        return client.post(path + "/exec", body);
    }

    private static String shell(String line, String more) {
        return Api.JSON
                .createObjectNode()
                .put("cmd", "/bin/sh")
                .set("args", Api.JSON.createArrayNode().add("-c").add(line))
                .toString()
                .replaceFirst("\\{", "{" + more);
    }

    private JsonNode run(String line) {
        return exec(shell(line, "")).is(200);
    }

    private JsonNode processes() {
        return client.get(path + "/processes").is(200).path("processes");
    }

    @Test
    void a_command_that_fails_is_a_success_with_its_exit_code() {
        var answer = run("echo out; echo bad >&2; exit 42");

        assertThat(answer.path("sandbox_id").asText()).isEqualTo(path.substring(13));
        assertThat(answer.path("cmd").asText()).isEqualTo("/bin/sh");
        assertThat(answer.path("stdout").asText()).isEqualTo("out\n");
        assertThat(answer.path("stderr").asText()).isEqualTo("bad\n");
        assertThat(answer.path("exit_code").asInt()).isEqualTo(42);
        assertThat(answer.path("encoding").asText()).isEqualTo("utf-8");
        assertThat(answer.path("duration_ms").isIntegralNumber()).isTrue();
    }

    @Test
    void a_command_that_does_not_exist_ends_with_127() {
        var answer = exec("{\"cmd\":\"no-such-command\"}").is(200);

        assertThat(answer.path("exit_code").asInt()).isEqualTo(127);
    }

    @Test
    void a_death_by_signal_is_minus_one() {
        assertThat(run("kill -9 $$").path("exit_code").asInt()).isEqualTo(-1);
    }

    @Test
    void both_outputs_are_base64_as_soon_as_one_is_no_text() {
        var answer = run("printf '\\377\\001'; echo text >&2");

        assertThat(answer.path("encoding").asText()).isEqualTo("base64");
        assertThat(Base64.getDecoder().decode(answer.path("stdout").asText()))
                .containsExactly(0xff, 1);
        assertThat(
                        new String(
                                Base64.getDecoder().decode(answer.path("stderr").asText()),
                                java.nio.charset.StandardCharsets.UTF_8))
                .isEqualTo("text\n");
    }

    @Test
    void variables_and_directory_are_honoured_in_the_foreground_too() {
        var answer =
                exec(shell("echo $SONG; pwd", "\"cwd\":\"/tmp\",\"envs\":{\"SONG\":\"loud\"},"))
                        .is(200);

        assertThat(answer.path("stdout").asText()).startsWith("loud\n").endsWith("/tmp\n");
    }

    @Test
    void standard_input_is_empty() {
        assertThat(run("wc -c").path("stdout").asText().strip()).isEqualTo("0");
    }

    @Test
    void a_command_at_its_limit_is_ended_with_all_it_started() {
        var message =
                exec(shell("sleep 300 & sleep 300", "\"timeout_sec\":1,"))
                        .fails(502, "agent_error");

        assertThat(message).contains("1 s");
        assertThat(processes()).isEmpty();
        assertThat(run("echo usable").path("stdout").asText()).isEqualTo("usable\n");
    }

    @Test
    void fifty_megabytes_of_output_arrive_whole() {
        var answer = run("head -c 52428800 /dev/zero | tr '\\0' x");

        assertThat(answer.path("stdout").asText().length()).isEqualTo(50 << 20);
    }

    @Test
    void more_output_than_fits_is_refused_with_advice() {
        assertThat(exec(shell("head -c 80000000 /dev/zero", "")).fails(413, "too_large"))
                .contains("64 MiB");
    }

    @Test
    void a_child_that_keeps_the_pipe_open_does_not_hold_up_the_answer() {
        var watch = Stopwatch.start();

        assertThat(run("sleep 300 & echo done").path("stdout").asText()).isEqualTo("done\n");

        assertThat(watch.elapsed()).isLessThan(Duration.ofSeconds(10));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "{\"cmd\":\"\"}",
                "{\"cmd\":null}",
                "{\"cmd\":[\"ls\"]}",
                "{\"cmd\":\"ls\",\"args\":\"-l\"}",
                "{\"cmd\":\"ls\",\"args\":[1]}",
                "{\"cmd\":\"ls\",\"envs\":{\"A\":null}}",
                "{\"cmd\":\"ls\",\"envs\":{\"A=B\":\"\"}}",
                "{\"cmd\":\"ls\",\"cwd\":7}",
                "{\"cmd\":\"ls\",\"background\":\"yes\"}",
                "{\"cmd\":\"ls\",\"timeout_sec\":1.5}",
                "{\"cmd\":\"ls\",\"timeout_sec\":9223372036854775807}",
                "{\"cmd\":\"ls\",\"timeout_sec\":2592001}",
                "{\"cmd\":\"a\\u0000b\"}"
            })
    void a_command_that_cannot_be_meant_is_a_bad_request(String body) {
        exec(body).fails(400, "invalid_request");
    }

    @Test
    void a_directory_that_does_not_exist_is_the_callers_mistake() {
        assertThat(exec("{\"cmd\":\"true\",\"cwd\":\"/no/such\"}").status()).isIn(400, 404);
    }

    @Test
    void a_background_command_has_a_pid_and_a_tag_and_can_be_ended_by_either() {
        var first = exec(shell("sleep 300", "\"background\":true,\"tag\":\"nap\",")).is(202);
        var second = exec(shell("sleep 300", "\"background\":true,")).is(202);

        assertThat(first.path("tag").asText()).isEqualTo("nap");
        assertThat(first.path("cmd").asText()).isEqualTo("/bin/sh");
        assertThat(second.path("tag").asText()).matches("proc-[0-9a-f]{8}");
        assertThat(processes())
                .extracting(p -> p.path("pid").asInt())
                .containsExactlyInAnyOrder(first.path("pid").asInt(), second.path("pid").asInt());
        assertThat(processes().get(0).path("args").get(1).asText()).isEqualTo("sleep 300");

        client.delete(path + "/processes/nap").is(204);
        client.delete(path + "/processes/" + second.path("pid").asInt() + "?signal=SIGTERM")
                .is(204);
        Eventually.within(SOON, () -> processes().isEmpty());
        client.delete(path + "/processes/nap").fails(404, "not_found");
        client.delete(path + "/processes/" + second.path("pid").asInt()).fails(404, "not_found");
    }

    @Test
    void a_tag_in_use_is_a_conflict() {
        exec(shell("sleep 300", "\"background\":true,\"tag\":\"one\",")).is(202);

        exec(shell("sleep 300", "\"background\":true,\"tag\":\"one\",")).fails(409, "conflict");
    }

    @Test
    void an_unknown_signal_is_a_bad_request_and_ends_nothing() {
        exec(shell("sleep 300", "\"background\":true,\"tag\":\"nap\",")).is(202);

        client.delete(path + "/processes/nap?signal=SIGSTOP").fails(400, "invalid_request");

        assertThat(processes()).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "-1", "4294967295", "99999999999", "no-tag", "a%20b", "%C3%A4"})
    void a_process_that_is_none_is_not_found(String selector) {
        client.delete(path + "/processes/" + selector).fails(404, "not_found");
    }
}
