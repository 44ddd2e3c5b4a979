package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.contract.CapsuleId;
import dev.wrenn.control.Ws.Received;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Terminals over WebSockets: §3.6 of the API contract. */
class TerminalsTest {
    @RegisterExtension private static final ControlRig RIG = new ControlRig();

    private Api client;
    private String path;

    @BeforeEach
    void start() {
        client = RIG.newClient();
        path = "/v1/capsules/" + client.create();
    }

    private static String base64(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    private static Ws type(Ws ws, String text) {
        return ws.send("{\"type\":\"input\",\"data\":\"" + base64(text) + "\"}");
    }

    private static void awaitShown(Ws ws, String text) {
        var shown = new StringBuilder();
        while (shown.indexOf(text) < 0) {
            var output = ws.next("output").path("data").asText();
            shown.append(new String(Base64.getDecoder().decode(output), StandardCharsets.UTF_8));
        }
    }

    @Test
    void a_terminal_takes_input_changes_its_size_and_ends_with_its_program() {
        try (var ws = Ws.open(client, path + "/pty")) {
            ws.send("{\"type\":\"start\",\"cmd\":\"/bin/sh\",\"cols\":91,\"rows\":17}");
            var started = ws.next("started");
            assertThat(started.path("tag").asText()).matches("pty-[0-9a-f]{8}");
            assertThat(started.path("pid").asInt()).isPositive();

            type(ws, "stty size\n");
            awaitShown(ws, "17 91");
            ws.send("{\"type\":\"resize\",\"cols\":120,\"rows\":40}");
            type(ws, "stty size\n");
            awaitShown(ws, "40 120");
            type(ws, "exit 7\n");

            for (var next = ws.next(); ; next = ws.next()) {
                var json = ((Received.Message) next).json();
                if (json.path("type").asText().equals("exit")) {
                    assertThat(json.path("exit_code").asInt()).isEqualTo(7);
                    break;
                }
            }
            ws.closes();
        }
    }

    @Test
    void a_terminal_outlives_its_socket_and_is_found_by_its_tag() {
        String tag;
        int pid;
        try (var ws = Ws.open(client, path + "/pty")) {
            ws.send("{\"type\":\"start\",\"cmd\":\"/bin/sh\"}");
            var started = ws.next("started");
            tag = started.path("tag").asText();
            pid = started.path("pid").asInt();
            type(ws, "echo remem''ber\n");
            awaitShown(ws, "remember");
        }
        try (var ws = Ws.open(client, path + "/pty")) {
            ws.send("{\"type\":\"connect\",\"tag\":\"" + tag + "\"}");
            var started = ws.next("started");
            assertThat(started.path("tag").asText()).isEqualTo(tag);
            assertThat(started.path("pid").asInt()).isEqualTo(pid);
            ws.send("{\"type\":\"input\",\"data\":\"\"}");
            awaitShown(ws, "remember");

            ws.send("{\"type\":\"kill\"}");

            for (var next = ws.next(); ; next = ws.next()) {
                var json = ((Received.Message) next).json();
                if (json.path("type").asText().equals("exit")) {
                    break;
                }
            }
            ws.closes();
        }
        try (var ws = Ws.open(client, path + "/pty")) {
            ws.send("{\"type\":\"connect\",\"tag\":\"" + tag + "\"}");
            assertThat(ws.fails()).contains(tag);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"type\":\"input\",\"data\":\"\"}",
                "{\"type\":\"connect\"}",
                "{\"type\":\"connect\",\"tag\":\"pty-00000000\"}",
                "{\"type\":\"start\",\"cols\":70000,\"rows\":24}",
                "{\"type\":\"start\",\"cwd\":\"/no/such/folder\"}",
                "{}"
            })
    void a_first_message_that_opens_no_terminal_is_an_error(String message) {
        try (var ws = Ws.open(client, path + "/pty")) {
            ws.send(message);

            assertThat(ws.fails()).isNotBlank();
        }
    }

    @Test
    void nonsense_in_the_middle_changes_nothing() {
        try (var ws = Ws.open(client, path + "/pty")) {
            ws.send("{\"type\":\"start\",\"cmd\":\"/bin/sh\"}");
            ws.next("started");
            ws.send("{\"type\":\"resize\",\"cols\":0,\"rows\":0}")
                    .send("{\"type\":\"input\",\"data\":\"%%%\"}")
                    .send("no JSON");

            type(ws, "echo al''ive\n");

            awaitShown(ws, "alive");
        }
    }

    @Test
    void a_size_that_no_terminal_has_is_told_and_the_terminal_goes_on() {
        try (var ws = Ws.open(client, path + "/pty")) {
            ws.send("{\"type\":\"start\",\"cmd\":\"/bin/cat\"}");
            ws.next("started");

            ws.send("{\"type\":\"resize\",\"cols\":100000,\"rows\":24}");

            var error = ws.next("error");
            assertThat(error.has("fatal")).isFalse();
            type(ws, "still here\n");
            awaitShown(ws, "still here");
        }
    }

    @Test
    void a_destroyed_capsule_ends_its_terminals() {
        try (var ws = Ws.open(client, path + "/pty")) {
            ws.send("{\"type\":\"start\",\"cmd\":\"/bin/cat\"}");
            ws.next("started");

            client.delete(path).is(204);

            assertThat(ws.fails()).contains("destroyed");
            assertThat(RIG.host().inventory())
                    .noneMatch(c -> c.capsule().equals(new CapsuleId(path.substring(13))));
        }
    }

    private static void awaitBytes(Ws ws, String text) {
        var shown = new StringBuilder();
        while (shown.indexOf(text) < 0) {
            if (ws.next() instanceof Received.Bytes(var bytes)) {
                shown.append(new String(bytes, StandardCharsets.UTF_8));
            }
        }
    }

    @Test
    void a_client_that_answers_pings_gets_bytes_as_they_are() {
        try (var ws = Ws.open(client, path + "/pty")) {
            ws.send(
                    "{\"type\":\"start\",\"cmd\":\"/bin/sh\",\"args\":[\"-c\",\"echo wel''come\"]}");
            ws.next("started");
            ws.next("ping");

            ws.send("{\"type\":\"pong\"}");

            awaitBytes(ws, "welcome");
        }
    }

    @Test
    void a_client_that_only_watches_and_answers_no_ping_gets_what_the_contract_says() {
        try (var ws = Ws.open(client, path + "/pty")) {
            ws.send(
                    "{\"type\":\"start\",\"cmd\":\"/bin/sh\",\"args\":[\"-c\",\"echo wel''come\"]}");
            ws.next("started");

            awaitShown(ws, "welcome");
        }
    }

    @Test
    void a_client_that_answers_late_loses_nothing() {
        try (var ws = Ws.open(client, path + "/pty")) {
            ws.send(
                    "{\"type\":\"start\",\"cmd\":\"/bin/sh\",\"args\":[\"-c\",\"echo wel''come; cat\"]}");
            ws.next("started");
            awaitShown(ws, "welcome"); // as the contract says, after the server's patience

            ws.send("{\"type\":\"pong\"}");

            awaitBytes(ws, "welcome");
        }
    }

    @Test
    void a_client_that_types_bytes_gets_bytes() {
        try (var ws = Ws.open(client, path + "/pty")) {
            ws.send("{\"type\":\"start\",\"cmd\":\"/bin/sh\"}");
            ws.next("started");

            ws.send("echo wel''come\n".getBytes(StandardCharsets.UTF_8));

            awaitBytes(ws, "welcome");
        }
    }

    @Test
    void a_browser_answers_pings_too_and_takes_what_the_contract_says() {
        var browser = Map.of("X-API-Key", client.key(), "Origin", "http://dashboard.example");
        try (var ws = Ws.open(client.baseUrl(), path + "/pty", browser)) {
            ws.send("{\"type\":\"start\",\"cmd\":\"/bin/sh\"}");
            ws.next("started");
            ws.send("{\"type\":\"pong\"}");
            type(ws, "echo wel''come\n");

            awaitShown(ws, "welcome");
        }
    }
}
