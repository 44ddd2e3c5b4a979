package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.contract.guest.ProcessEvent.Channel;
import dev.wrenn.control.capsule.ControlConfig;
import dev.wrenn.simhost.ChildPrograms;
import dev.wrenn.simhost.Programs;
import dev.wrenn.simhost.ScriptedPrograms;
import dev.wrenn.testkit.Eventually;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** WebSockets and the streams of commands: §3.4 and §3.5 of the API contract. */
class StreamsTest {
    private static final Duration SOON = Duration.ofSeconds(20);
    private static final String NOBODY = "/v1/capsules/cl-0000000000000000000000001";

    private static final Programs SCRIPTS =
            new ScriptedPrograms(
                    Map.of(
                            "split",
                            console -> {
                                var wren =
                                        "\ud83d\udc26"
                                                .getBytes(java.nio.charset.StandardCharsets.UTF_8);
                                for (byte b : wren) {
                                    console.write(Channel.STDOUT, new byte[] {b});
                                }
                                console.write(Channel.STDOUT, new byte[] {(byte) 0xff, 'x'});
                                console.write(Channel.STDOUT, new byte[] {wren[0], wren[1]});
                                return 0;
                            }));

    @RegisterExtension
    private static final ControlRig RIG =
            new ControlRig(
                    (order, surroundings, output) ->
                            (order.command().equals("split") ? SCRIPTS : new ChildPrograms())
                                    .start(order, surroundings, output),
                    ControlConfig.DEFAULTS);

    private Api client;
    private String path;

    @BeforeEach
    void start() {
        client = RIG.newClient();
        path = "/v1/capsules/" + client.create();
    }

    private static String start(String line) {
        return "{\"type\":\"start\",\"cmd\":\"/bin/sh\",\"args\":[\"-c\",\"" + line + "\"]}";
    }

    private com.fasterxml.jackson.databind.JsonNode processes() {
        return client.get(path + "/processes").is(200).path("processes");
    }

    // ---- who may ----

    @ParameterizedTest
    @ValueSource(strings = {"/exec/stream", "/pty", "/processes/1/stream", "/files/watch"})
    void a_wrong_key_is_refused_before_the_upgrade(String route) {
        for (var headers :
                java.util.List.of(
                        Map.of("X-API-Key", "wrn_00000000000000000000000000000000"),
                        Map.of("Authorization", "Bearer nonsense"))) {
            assertThat(Ws.refusal(RIG.baseUrl(), path + route, headers)).isEqualTo(401);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"/exec/stream", "/pty", "/processes/1/stream", "/files/watch"})
    void a_malformed_id_is_refused_before_the_upgrade(String route) {
        assertThat(
                        Ws.refusal(
                                RIG.baseUrl(),
                                "/v1/capsules/cl-1" + route,
                                Map.of("X-API-Key", client.key())))
                .isEqualTo(400);
    }

    @ParameterizedTest
    @ValueSource(strings = {"/exec/stream", "/pty", "/processes/1/stream", "/files/watch"})
    void a_capsule_of_another_team_is_absent_within_the_conversation(String route) {
        try (var ws = Ws.open(RIG.newClient(), path + route);
                var nobody = Ws.open(client, NOBODY + route)) {
            assertThat(ws.fails()).contains("there is no capsule");
            assertThat(nobody.fails()).contains("there is no capsule");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"/exec/stream", "/pty", "/processes/1/stream", "/files/watch"})
    void a_paused_capsule_says_so_within_the_conversation(String route) {
        client.post(path + "/pause").is(200);

        try (var ws = Ws.open(client, path + route)) {
            assertThat(ws.fails()).contains("paused");
        }
    }

    @Test
    void a_key_may_come_as_the_first_message() {
        try (var ws = Ws.open(RIG.baseUrl(), path + "/exec/stream", Map.of())) {
            ws.send("{\"type\":\"auth\",\"token\":\"" + client.key() + "\"}");
            ws.send(start("echo hi"));

            ws.next("start");
            assertThat(ws.next("stdout").path("data").asText()).isEqualTo("hi\n");
        }
    }

    @Test
    void who_has_shown_a_key_already_may_show_one_again() {
        try (var ws = Ws.open(client, path + "/exec/stream")) {
            ws.send("{\"type\":\"auth\",\"token\":\"whatever\"}");
            ws.send(start("exit 0"));

            ws.next("start");
            ws.next("exit");
        }
    }

    @Test
    void a_wrong_key_as_first_message_and_none_at_all_end_the_conversation() {
        try (var wrong = Ws.open(RIG.baseUrl(), path + "/exec/stream", Map.of());
                var other = Ws.open(RIG.baseUrl(), path + "/exec/stream", Map.of());
                var silent = Ws.open(RIG.baseUrl(), path + "/pty", Map.of())) {
            wrong.send("{\"type\":\"auth\",\"token\":\"wrn_wrong\"}");
            assertThat(wrong.fails()).contains("not valid");

            other.send(start("echo hi"));
            assertThat(other.fails()).contains("API key");

            assertThat(silent.fails()).contains("API key"); // after five seconds
        }
    }

    // ---- exec ----

    @Test
    void a_command_tells_its_start_its_outputs_and_its_end() {
        try (var ws = Ws.open(client, path + "/exec/stream")) {
            ws.send(start("echo hi; sleep 0.2; echo bad >&2; exit 3"));

            assertThat(ws.next("start").path("pid").asInt()).isPositive();
            assertThat(ws.next("stdout").path("data").asText()).isEqualTo("hi\n");
            assertThat(ws.next("stderr").path("data").asText()).isEqualTo("bad\n");
            assertThat(ws.next("exit"))
                    .isEqualTo(Api.JSON.createObjectNode().put("type", "exit").put("exit_code", 3));
            ws.closes();
        }
    }

    @Test
    void variables_and_directory_are_honoured() {
        try (var ws = Ws.open(client, path + "/exec/stream")) {
            ws.send(
                    "{\"type\":\"start\",\"cmd\":\"/bin/sh\",\"args\":[\"-c\",\"echo $A; pwd\"],"
                            + "\"envs\":{\"A\":\"b\"},\"cwd\":\"/tmp\"}");
            ws.next("start");

            assertThat(ws.textUntil("stdout", "exit")).startsWith("b\n").endsWith("/tmp\n");
        }
    }

    @Test
    void a_character_split_over_chunks_arrives_whole_and_only_junk_is_replaced() {
        try (var ws = Ws.open(client, path + "/exec/stream")) {
            ws.send("{\"type\":\"start\",\"cmd\":\"split\"}");
            ws.next("start");

            assertThat(ws.textUntil("stdout", "exit")).isEqualTo("\ud83d\udc26\ufffdx\ufffd");
            ws.closes();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"type\":\"begin\",\"cmd\":\"ls\"}",
                "{\"type\":\"start\"}",
                "{\"type\":\"start\",\"cmd\":\"\"}",
                "{\"cmd\":\"ls\"}",
                "{\"type\":\"start\",\"cmd\":\"ls\",\"timeout_sec\":9999999999}",
                "{\"type\":\"start\",\"cmd\":\"ls\",\"envs\":{\"A=B\":\"c\"}}",
                "{\"type\":\"start\",\"cmd\":\"ls\",\"cwd\":\"/no/such/folder\"}"
            })
    void a_first_message_that_starts_nothing_is_an_error(String message) {
        try (var ws = Ws.open(client, path + "/exec/stream")) {
            ws.send(message);

            assertThat(ws.fails()).isNotBlank();
        }
    }

    @Test
    void what_is_no_json_is_passed_over() {
        try (var ws = Ws.open(client, path + "/exec/stream")) {
            ws.send("no JSON").send("[1]").send(new byte[] {1, 2}).send(start("exit 0"));

            ws.next("start");
            ws.next("exit");
        }
    }

    @Test
    void stop_ends_the_whole_group_and_tells_the_end() {
        try (var ws = Ws.open(client, path + "/exec/stream")) {
            ws.send(start("sleep 300 & wait"));
            ws.next("start");

            ws.send("{\"type\":\"stop\"}");

            assertThat(ws.next("exit").path("exit_code").asInt()).isEqualTo(-1);
            ws.closes();
            assertThat(processes()).isEmpty();
        }
    }

    @Test
    void stop_also_ends_who_does_not_listen_whatever_else_is_said() {
        try (var ws = Ws.open(client, path + "/exec/stream")) {
            ws.send(start("trap '' TERM; echo deaf; while :; do sleep 0.1; done"));
            ws.next("start");
            ws.next("stdout");

            ws.send("{\"type\":\"stop\"}").send("{\"type\":\"stop\"}").send("{\"type\":\"x\"}");

            assertThat(ws.next("exit").path("exit_code").asInt()).isEqualTo(-1);
            ws.closes();
        }
    }

    @Test
    void a_limit_is_told_as_an_error() {
        try (var ws = Ws.open(client, path + "/exec/stream")) {
            ws.send("{\"type\":\"start\",\"cmd\":\"sleep\",\"args\":[\"300\"],\"timeout_sec\":1}");
            ws.next("start");

            assertThat(ws.fails()).contains("limit");
        }
    }

    @Test
    void who_leaves_only_detaches_and_others_can_follow_by_pid_or_tag() {
        int pid;
        try (var ws = Ws.open(client, path + "/exec/stream")) {
            ws.send(
                    "{\"type\":\"start\",\"cmd\":\"/bin/sh\",\"tag\":\"tick\",\"args\":[\"-c\","
                            + "\"while :; do echo tick; sleep 0.05; done\"]}");
            pid = ws.next("start").path("pid").asInt();
            ws.next("stdout");
        }
        try (var byPid = Ws.open(client, path + "/processes/" + pid + "/stream");
                var byTag = Ws.open(client, path + "/processes/tick/stream")) {
            assertThat(byPid.next("start").path("pid").asInt()).isEqualTo(pid);
            assertThat(byTag.next("start").path("pid").asInt()).isEqualTo(pid);
            assertThat(byPid.next("stdout").path("data").asText()).contains("tick");
            assertThat(byTag.next("stdout").path("data").asText()).contains("tick");

            client.delete(path + "/processes/tick").is(204);

            byPid.textUntil("stdout", "exit");
            byPid.closes();
            byTag.textUntil("stdout", "exit");
            byTag.closes();
        }
        try (var ws = Ws.open(client, path + "/processes/tick/stream")) {
            assertThat(ws.fails()).contains("tick");
        }
    }

    @Test
    void a_pause_ends_every_conversation_in_order() {
        try (var exec = Ws.open(client, path + "/exec/stream");
                var watch = Ws.open(client, path + "/files/watch");
                var pty = Ws.open(client, path + "/pty")) {
            watch.send("{\"type\":\"start\",\"path\":\"/\"}");
            watch.next("started");
            exec.send(start("sleep 300"));
            exec.next("start");
            pty.send("{\"type\":\"start\",\"cmd\":\"/bin/cat\"}");
            pty.next("started");

            client.post(path + "/pause").is(200);

            assertThat(exec.fails()).contains("paused");
            assertThat(pty.fails()).contains("paused");
            assertThat(watch.fails()).contains("paused");
        }
    }

    @Test
    void an_open_stream_keeps_its_capsule_awake() {
        var id = client.create("{\"timeout_sec\":1}");
        var idle = client.create("{\"timeout_sec\":1}");
        try (var ws = Ws.open(client, "/v1/capsules/" + id + "/exec/stream")) {
            ws.send(start("sleep 300"));
            ws.next("start");

            Eventually.within(SOON, () -> client.status(idle).equals("paused"));

            assertThat(client.status(id)).isEqualTo("running");
        }
        Eventually.within(SOON, () -> client.status(id).equals("paused"));
    }
}
