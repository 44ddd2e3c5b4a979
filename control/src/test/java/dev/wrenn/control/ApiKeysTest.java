package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Keys of a team: §3.11 of the API contract, with keys instead of sessions. */
class ApiKeysTest {
    private static final String KEYS = "/v1/api-keys";

    @RegisterExtension private static final ControlRig RIG = new ControlRig();

    private Api client;

    @BeforeEach
    void start() {
        client = RIG.newClient();
    }

    @Test
    void a_key_is_shown_once_and_works_until_it_is_revoked() {
        var made = client.post(KEYS, "{\"name\":\" ci \"}").is(201);

        assertThat(made.path("key").asText()).matches("wrn_[0-9a-f]{32}");
        assertThat(made.path("name").asText()).isEqualTo("ci");
        assertThat(made.path("id").asText()).matches("key-[0-9a-z]{25}");
        assertThat(made.path("key_prefix").asText())
                .isEqualTo(made.path("key").asText().substring(0, 10));
        assertThat(made.path("created_at").asText()).endsWith("Z");
        var other = new Api(client.baseUrl(), made.path("key").asText());
        var id = client.create();
        assertThat(other.status(id)).isEqualTo("running");

        var listed = client.get(KEYS).is(200);
        assertThat(listed).hasSize(2);
        assertThat(listed.findValuesAsText("name")).containsExactlyInAnyOrder("ci", "test");
        assertThat(listed.findValues("key")).isEmpty();
        assertThat(listed.findValues("last_used")).isNotEmpty();

        client.delete(KEYS + "/" + made.path("id").asText()).is(204);
        other.get("/v1/capsules").fails(401, "unauthorized");
        assertThat(client.get(KEYS).is(200)).hasSize(1);
        client.delete(KEYS + "/" + made.path("id").asText()).is(204);
    }

    @Test
    void a_key_without_a_name_gets_one() {
        for (var body : new String[] {"{}", "{\"name\":\"\"}", "{\"name\":null}"}) {
            assertThat(client.post(KEYS, body).is(201).path("name").asText())
                    .isEqualTo("Unnamed API Key");
        }
    }

    @Test
    void keys_of_another_team_are_neither_seen_nor_revoked() {
        var others = RIG.newClient();
        var theirs = others.get(KEYS).is(200).get(0).path("id").asText();

        client.delete(KEYS + "/" + theirs).is(204);

        assertThat(client.get(KEYS).is(200).findValuesAsText("id")).doesNotContain(theirs);
        assertThat(others.get(KEYS).is(200)).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "{\"name\":5}", "{\"name\":\"a\\nb\"}", "[]"})
    void what_is_no_name_is_refused(String body) {
        client.post(KEYS, body).fails(400, "invalid_request");
        client.post(KEYS, "{\"name\":\"" + "x".repeat(101) + "\"}").fails(400, "invalid_request");
    }

    @ParameterizedTest
    @ValueSource(strings = {"key-1", "cl-0000000000000000000000001", "x"})
    void what_is_no_id_is_refused(String id) {
        client.delete(KEYS + "/" + id).fails(400, "invalid_request");
    }
}
