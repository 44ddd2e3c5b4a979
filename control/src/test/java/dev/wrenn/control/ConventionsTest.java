package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What all routes share: §1.1, §1.4 to §1.8 of the API contract. */
class ConventionsTest {
    private static final String NOBODY = "cl-0000000000000000000000001";

    @RegisterExtension private static final ControlRig RIG = new ControlRig();

    @ParameterizedTest
    @ValueSource(
            strings = {
                "sb-1",
                "cl-",
                "cl-000000000000000000000000", // 24 digits
                "cl-00000000000000000000000000", // 26 digits
                "cl-f5lxx1zz5pnorynqglhzmsp34", // 2^128
                "cl-zzzzzzzzzzzzzzzzzzzzzzzzz",
                "cl-0000000000000000000000A01",
                "CL-0000000000000000000000001",
                "cl-000000000000000000000000_",
                "cl-00000000000000000000000%C3%A4",
                "cl-000000000000000000000000%20"
            })
    void an_id_of_another_form_is_a_bad_request_everywhere(String id) {
        var client = RIG.newClient();
        var base = "/v1/capsules/" + id;

        client.get(base).fails(400, "invalid_request");
        client.delete(base).fails(400, "invalid_request");
        client.post(base + "/pause").fails(400, "invalid_request");
        client.post(base + "/resume").fails(400, "invalid_request");
        client.post(base + "/ping").fails(400, "invalid_request");
        client.post(base + "/exec", "{\"cmd\":\"true\"}").fails(400, "invalid_request");
        client.get(base + "/processes").fails(400, "invalid_request");
        client.delete(base + "/processes/1").fails(400, "invalid_request");
        client.post(base + "/files/list", "{\"path\":\"/\"}").fails(400, "invalid_request");
    }

    @Test
    void the_greatest_id_is_well_formed() {
        RIG.newClient().get("/v1/capsules/cl-f5lxx1zz5pnorynqglhzmsp33").fails(404, "not_found");
    }

    @ParameterizedTest
    @CsvSource({
        "GET,",
        "DELETE,",
        "POST,/pause",
        "POST,/resume",
        "POST,/ping",
        "POST,/exec",
        "GET,/processes",
        "DELETE,/processes/1",
        "POST,/files/read",
        "POST,/files/stream/read",
        "POST,/files/write",
        "POST,/files/stream/write",
        "POST,/files/list",
        "POST,/files/stat",
        "POST,/files/mkdir",
        "POST,/files/remove",
        "POST,/files/move"
    })
    void a_capsule_of_another_team_does_not_exist(String method, String rest) {
        var theirs = RIG.newClient().create();
        var suffix = rest == null ? "" : rest;

        for (var id : new String[] {theirs, NOBODY}) {
            RIG.newClient()
                    .send(
                            method,
                            "/v1/capsules/" + id + suffix,
                            BodyPublishers.ofString("no JSON"),
                            Map.of())
                    .fails(404, "not_found");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/exec",
                "/files/read",
                "/files/stream/read",
                "/files/write",
                "/files/stream/write",
                "/files/list",
                "/files/stat",
                "/files/mkdir",
                "/files/remove",
                "/files/move"
            })
    void a_wrong_state_comes_before_a_wrong_body(String route) {
        var client = RIG.newClient();
        var path = "/v1/capsules/" + client.createPaused() + route;

        client.post(path, "no JSON").fails(409, "invalid_state");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "   ",
                "{",
                "[]",
                "null",
                "\"text\"",
                "7",
                "{\"cmd\":}",
                "{\"cmd\":\"a\"} trailing",
                "{\"cmd\":\"a\",\"cmd\":\"b\"}",
                "{'cmd':'a'}",
                "\u0000"
            })
    void a_body_that_is_no_json_object_is_a_bad_request(String body) {
        var client = RIG.newClient();
        var id = client.create();

        client.post("/v1/capsules", body).fails(400, "invalid_request");
        client.post("/v1/snapshots", body).fails(400, "invalid_request");
        client.post("/v1/capsules/" + id + "/exec", body).fails(400, "invalid_request");
        client.post("/v1/capsules/" + id + "/files/list", body).fails(400, "invalid_request");
    }

    @Test
    void bytes_that_are_no_text_are_a_bad_request() {
        RIG.newClient()
                .send(
                        "POST",
                        "/v1/capsules",
                        BodyPublishers.ofByteArray(new byte[] {'{', (byte) 0xff, '}'}),
                        Map.of())
                .fails(400, "invalid_request");
    }

    @Test
    void json_nested_without_end_is_a_bad_request() {
        RIG.newClient()
                .post("/v1/capsules", "{\"x\":" + "[".repeat(100_000))
                .fails(400, "invalid_request");
    }

    @Test
    void a_body_of_fifty_megabytes_is_too_large_and_the_connection_survives_it() {
        var client = RIG.newClient();
        var body = "{\"template\":\"" + "x".repeat(50 << 20) + "\"}";

        client.post("/v1/capsules", body).fails(413, "too_large");

        client.get("/v1/capsules").is(200);
    }

    @Test
    void null_and_unknown_fields_count_as_absent() {
        var client = RIG.newClient();
        var body =
                "{\"template\":null,\"vcpus\":null,\"memory_mb\":null,\"timeout_sec\":null,\"x\":1}";

        var made = client.post("/v1/capsules", body).is(201);

        assertThat(made.path("template").asText()).isEqualTo("minimal");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"vcpus\":1.0}",
                "{\"vcpus\":\"1\"}",
                "{\"vcpus\":true}",
                "{\"memory_mb\":1e3}",
                "{\"memory_mb\":99999999999999999999}",
                "{\"timeout_sec\":[]}",
                "{\"timeout_sec\":99999999999999999999}",
                "{\"template\":5}",
                "{\"template\":{}}",
                "{\"envs\":[]}",
                "{\"envs\":{\"A\":1}}",
                "{\"envs\":{\"\":\"x\"}}",
                "{\"envs\":{\"A=B\":\"x\"}}",
                "{\"envs\":{\"A\":\"zero\\u0000byte\"}}"
            })
    void a_field_of_another_type_is_a_bad_request(String body) {
        RIG.newClient().post("/v1/capsules", body).fails(400, "invalid_request");
    }

    @Test
    void an_unknown_route_is_a_json_404() {
        var client = RIG.newClient();

        client.get("/nothing").fails(404, "not_found");
        client.get("/v1/nothing").fails(404, "not_found");
        client.get("/v2/capsules").fails(404, "not_found");
        client.get("/api").fails(404, "not_found");
        client.get("/api/api/v1/capsules").fails(404, "not_found");
        client.post("/v1/capsules/" + NOBODY + "/explode", "{}").fails(404, "not_found");
        new Api(RIG.baseUrl(), "").get("/v1/nothing").fails(404, "not_found");
    }

    @Test
    void a_wrong_method_is_a_json_405_that_names_the_right_ones() {
        var client = RIG.newClient();

        var answer = client.send("PATCH", "/v1/capsules", BodyPublishers.ofString("{}"), Map.of());

        answer.fails(405, "method_not_allowed");
        assertThat(answer.header("Allow").split(", *")).contains("GET", "POST");
        client.delete("/v1/capsules").fails(405, "method_not_allowed");
        client.get("/v1/capsules/" + NOBODY + "/pause").fails(405, "method_not_allowed");
        client.delete("/v1/snapshots").fails(405, "method_not_allowed");
    }

    @Test
    void a_slash_at_the_end_and_the_api_prefix_change_nothing() {
        var client = RIG.newClient();
        var id = client.create();

        for (var path : new String[] {"/v1/capsules/", "/api/v1/capsules", "/api/v1/capsules/"}) {
            assertThat(client.get(path).is(200)).hasSize(1);
        }
        client.get("/v1/capsules/" + id + "/").is(200);
        client.get("/api/v1/capsules/" + id).is(200);
        client.post("/api/v1/capsules/" + id + "/ping").is(204);
        client.get("/v1/snapshots/").is(200);
        client.post("/v1/capsules/", "{}").is(201);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/v1/snapshots/..%2F..%2Fetc",
                "/v1/snapshots/%2e%2e",
                "/v1/snapshots/a%2Fb",
                "/v1/snapshots/a%00b",
                "/v1/snapshots/a%0Ab",
                "/v1/snapshots/.hidden",
                "/v1/snapshots/a;b=c",
                "/v1/snapshots/%ff",
                "/v1/snapshots/a%5Cb"
            })
    void a_template_name_that_plays_tricks_with_paths_is_refused_in_json(String path) {
        var answer = RIG.newClient().delete(path);

        assertThat(answer.status()).as(answer.text()).isIn(400, 404, 405);
        answer.fails(answer.status(), answer.json().path("error").path("code").asText());
    }

    @Test
    void answers_are_plain_json_with_a_request_id() {
        var client = RIG.newClient();

        var answer =
                client.send(
                        "GET",
                        "/v1/capsules",
                        BodyPublishers.noBody(),
                        Map.of("X-Request-Id", "my-request.1"));

        assertThat(answer.header("Content-Type")).isEqualTo("application/json");
        assertThat(answer.header("X-Request-Id")).isEqualTo("my-request.1");
        assertThat(answer.text()).isEqualTo("[]");
        assertThat(
                        client.send(
                                        "GET",
                                        "/v1/capsules",
                                        BodyPublishers.noBody(),
                                        Map.of("X-Request-Id", "<script>"))
                                .header("X-Request-Id"))
                .matches("[0-9a-f-]{36}");
        assertThat(client.get("/v1/nothing").header("X-Request-Id")).isNotBlank();
    }

    @Test
    void an_answer_without_content_has_no_body() {
        var client = RIG.newClient();
        var id = client.create();

        assertThat(client.post("/v1/capsules/" + id + "/ping").bytes()).isEmpty();
        assertThat(client.delete("/v1/capsules/" + id).bytes()).isEmpty();
    }

    @Test
    void routes_that_need_no_body_ignore_one() {
        var client = RIG.newClient();
        var id = client.create();

        client.post("/v1/capsules/" + id + "/ping", "no JSON").is(204);
        client.post("/v1/capsules/" + id + "/pause", "no JSON").is(200);
        client.post("/v1/capsules/" + id + "/resume", "{\"x\":").is(200);
    }

    @Test
    void a_request_that_is_no_http_gets_no_stack_trace() throws Exception {
        try (var socket =
                new java.net.Socket(
                        java.net.InetAddress.getLoopbackAddress(), RIG.control().port())) {
            socket.setSoTimeout(10_000);
            socket.getOutputStream()
                    .write(
                            "GET /v1/\u0001 HTTP/1.1\r\nHost: x\r\n\r\n"
                                    .getBytes(StandardCharsets.UTF_8));
            var text = new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

            assertThat(text).startsWith("HTTP/1.1 400").doesNotContain("Exception", "jetty");
        }
    }
}
