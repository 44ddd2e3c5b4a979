package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.testkit.Eventually;
import java.net.http.HttpRequest.BodyPublishers;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Who may call: §1.3 of the API contract. */
class AuthenticationTest {
    @RegisterExtension private static final ControlRig RIG = new ControlRig();

    private static Api.Answer listWith(Map<String, String> headers) {
        return new Api(RIG.baseUrl(), "")
                .send("GET", "/v1/capsules", BodyPublishers.noBody(), headers);
    }

    @Test
    void a_key_of_a_team_opens_its_things() {
        var key = RIG.newClient().key();

        assertThat(key).matches("wrn_[0-9a-f]{32}");
        listWith(Map.of("X-API-Key", key)).is(200);
        listWith(Map.of("Authorization", "Bearer " + key)).is(200);
    }

    @Test
    void no_credential_is_refused_with_a_hint() {
        assertThat(listWith(Map.of()).fails(401, "unauthorized")).contains("X-API-Key");
        listWith(Map.of("X-API-Key", "")).fails(401, "unauthorized");
        listWith(Map.of("Authorization", "Basic d3JlbjpzaW5ncw==")).fails(401, "unauthorized");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "wrn_00000000000000000000000000000000",
                "wrn_",
                "no-key-at-all",
                "wrn_0000000000000000000000000000000' OR '1'='1"
            })
    void a_wrong_key_is_refused(String key) {
        listWith(Map.of("X-API-Key", key)).fails(401, "unauthorized");
        listWith(Map.of("Authorization", "Bearer " + key)).fails(401, "unauthorized");
    }

    @Test
    void a_key_of_megabytes_is_refused_without_being_looked_up() {
        listWith(Map.of("X-API-Key", "wrn_" + "0".repeat(4_000))).fails(401, "unauthorized");
    }

    @Test
    void a_key_alone_decides_where_both_are_sent() {
        var good = RIG.newClient().key();

        listWith(Map.of("X-API-Key", "wrn_wrong", "Authorization", "Bearer " + good))
                .fails(401, "unauthorized");
        listWith(Map.of("X-API-Key", good, "Authorization", "Bearer wrong")).is(200);
        listWith(Map.of("X-API-Key", "", "Authorization", "Bearer " + good)).is(200);
    }

    @Test
    void a_deleted_team_loses_its_keys_at_once() {
        var team = RIG.newTeam();
        var client = RIG.clientOf(team);
        client.get("/v1/capsules").is(200);

        RIG.control().keys().deleteTeam(team);

        client.get("/v1/capsules").fails(401, "unauthorized");
    }

    @Test
    void another_server_notices_within_seconds_that_a_team_was_deleted() {
        var team = RIG.newTeam();
        try (var other = RIG.another()) {
            var client = new Api("http://127.0.0.1:" + other.port(), RIG.clientOf(team).key());
            client.get("/v1/capsules").is(200);

            RIG.control().keys().deleteTeam(team);

            Eventually.within(
                    Duration.ofSeconds(15), () -> client.get("/v1/capsules").status() == 401);
        }
    }

    @Test
    void a_key_shows_when_it_was_used_last() {
        var team = RIG.newTeam();
        var client = RIG.clientOf(team);
        client.get("/v1/capsules").is(200);

        assertThat(RIG.control().keys().list(team))
                .singleElement()
                .satisfies(k -> {
                    assertThat(k.lastUsed()).isPresent();
                    assertThat(k.prefix()).isEqualTo(client.key().substring(0, 10));
                    assertThat(k.id()).matches("key-[0-9a-z]{25}");
                });
    }

    @Test
    void a_revoked_key_is_refused_at_once_and_others_of_its_team_are_not() {
        var team = RIG.newTeam();
        var first = RIG.clientOf(team);
        first.get("/v1/capsules").is(200);
        var id = RIG.control().keys().list(team).getFirst().id();
        var second = RIG.clientOf(team);

        assertThat(RIG.control().keys().revoke(id)).isTrue();

        first.get("/v1/capsules").fails(401, "unauthorized");
        second.get("/v1/capsules").is(200);
        assertThat(RIG.control().keys().revoke(id)).isFalse();
    }

    @Test
    void what_is_open_to_all_needs_no_key() {
        var nobody = new Api(RIG.baseUrl(), "");

        assertThat(nobody.get("/health").is(200).path("status").asText()).isEqualTo("ok");
        assertThat(nobody.get("/health").json().path("version").asText()).isNotBlank();
    }
}
