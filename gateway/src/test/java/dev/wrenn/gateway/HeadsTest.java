package dev.wrenn.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.eclipse.jetty.http.HttpField;
import org.eclipse.jetty.http.HttpFields;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@DisplayNameGeneration(DisplayNameGenerator.ReplaceUnderscores.class)
class HeadsTest {
    private static final Heads.Origin ORIGIN =
            new Heads.Origin("203.0.113.9", "8080-cl-x.example.com:8443", "http");

    private static HttpFields toGuest(HttpFields.Mutable client) {
        return Heads.toGuest(client, ORIGIN, 8080);
    }

    private static HttpFields.Mutable fields(String... namesAndValues) {
        var fields = HttpFields.build();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            fields.add(namesAndValues[i], namesAndValues[i + 1]);
        }
        return fields;
    }

    private static String jwt(String claims) {
        var part = Base64.getUrlEncoder().withoutPadding();
        return "%s.%s.%s"
                .formatted(
                        part.encodeToString("{\"alg\":\"HS256\"}".getBytes(StandardCharsets.UTF_8)),
                        part.encodeToString(claims.getBytes(StandardCharsets.UTF_8)),
                        "c2lnbmF0dXJl");
    }

    @Test
    void the_guest_is_addressed_as_itself_and_told_who_asked_whom_and_how() {
        var guest = toGuest(fields("Host", "8080-cl-x.example.com:8443", "Accept", "text/html"));

        assertThat(guest.getValuesList("Host")).containsExactly("localhost:8080");
        assertThat(guest.get("X-Forwarded-For")).isEqualTo("203.0.113.9");
        assertThat(guest.get("X-Forwarded-Host")).isEqualTo("8080-cl-x.example.com:8443");
        assertThat(guest.get("X-Forwarded-Proto")).isEqualTo("http");
        assertThat(guest.get("Accept")).isEqualTo("text/html");
    }

    @Test
    void a_proxy_in_front_is_believed_and_the_way_is_appended() {
        var guest =
                toGuest(
                        fields(
                                "X-Forwarded-For", "198.51.100.1",
                                "X-Forwarded-For", "198.51.100.2",
                                "X-Forwarded-Proto", "https",
                                "X-Forwarded-Host", "evil.example"));

        assertThat(guest.getValuesList("X-Forwarded-For"))
                .containsExactly("198.51.100.1, 198.51.100.2, 203.0.113.9");
        assertThat(guest.getValuesList("X-Forwarded-Proto")).containsExactly("https");
        assertThat(guest.getValuesList("X-Forwarded-Host"))
                .containsExactly("8080-cl-x.example.com:8443");
    }

    @Test
    void a_scheme_that_is_none_is_not_believed() {
        assertThat(toGuest(fields("X-Forwarded-Proto", "gopher")).get("X-Forwarded-Proto"))
                .isEqualTo("http");
    }

    @Test
    void fields_of_one_hop_end_here() {
        var guest =
                toGuest(
                        fields(
                                "Connection", "keep-alive, X-Mine",
                                "Keep-Alive", "timeout=5",
                                "X-Mine", "secret hop",
                                "TE", "trailers",
                                "Transfer-Encoding", "chunked",
                                "Proxy-Authorization", "Basic eDp5",
                                "X-Yours", "stays"));

        assertThat(guest.getFieldNamesCollection())
                .containsExactlyInAnyOrder(
                        "Host",
                        "X-Yours",
                        "X-Forwarded-For",
                        "X-Forwarded-Host",
                        "X-Forwarded-Proto");
    }

    @Test
    void an_upgrade_is_handed_on_with_what_belongs_to_it() {
        var guest =
                toGuest(
                        fields(
                                "Connection", "Upgrade, HTTP2-Settings",
                                "Upgrade", "h2c",
                                "HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"));

        assertThat(guest.get("Connection")).isEqualTo("Upgrade");
        assertThat(guest.get("Upgrade")).isEqualTo("h2c");
        assertThat(guest.get("HTTP2-Settings")).isEqualTo("AAMAAABkAARAAAAAAAIAAAAA");
    }

    @Test
    void an_upgrade_field_alone_asks_for_nothing() {
        assertThat(toGuest(fields("Upgrade", "websocket")).contains("Upgrade")).isFalse();
    }

    /** Gap S6: the SDK sends its key to notebooks in the capsule. */
    @Test
    void credentials_of_the_platform_never_reach_the_guest() {
        var guest =
                toGuest(
                        fields(
                                "X-API-Key", "wrn_0123456789abcdef0123456789abcdef",
                                "x-api-KEY", "wrn_again",
                                "X-Host-Token", "a.b.c",
                                "Authorization", "Bearer wrn_0123456789abcdef0123456789abcdef"));

        assertThat(guest.getFieldNamesCollection())
                .containsExactlyInAnyOrder(
                        "Host", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto");
    }

    @Test
    void only_tokens_of_the_platform_are_taken_from_authorization() {
        var ours =
                jwt("{\"sub\":\"usr-6dfzh5ik5uxynzmlf5cshamdk\",\"team_id\":\"team-x\",\"exp\":1}");
        var hosts = jwt("{\"typ\":\"host\", \"sub\" : \"host-6dfzh5ik5uxynzmlf5cshamdk\"}");
        var foreign = jwt("{\"sub\":\"alice\"}");

        assertThat(isCredential("Authorization", "Bearer " + ours)).isTrue();
        assertThat(isCredential("authorization", "bearer   " + hosts + " ")).isTrue();
        assertThat(isCredential("Authorization", "Bearer " + foreign)).isFalse();
        assertThat(isCredential("Authorization", "Bearer not.a.jwt")).isFalse();
        assertThat(isCredential("Authorization", "Bearer ***.***.***")).isFalse();
        assertThat(isCredential("Authorization", "Basic " + ours)).isFalse();
        assertThat(isCredential("Authorization", "token abc")).isFalse();
        assertThat(isCredential("Authorization", "")).isFalse();
        assertThat(isCredential("X-Other", "Bearer " + ours)).isFalse();
    }

    private static boolean isCredential(String name, String value) {
        return Credentials.isCredential(
                fields(name, value).stream().findFirst().map(HttpField.class::cast).orElseThrow());
    }

    @ParameterizedTest
    @CsvSource({
        "http://localhost:8888/tree,/tree",
        "http://127.0.0.1:8888/a/b?c=d#e,/a/b?c=d#e",
        "HTTP://LocalHost:8888/Case,/Case",
        "http://[::1]:8888/,/",
        "http://0.0.0.0:8888,/",
        "http://169.254.0.21:8888?q,/?q",
        "https://localhost:8888/x,/x",
        "/tree,/tree",
        "tree,tree",
        "../x,../x",
        "http://localhost:9999/x,http://localhost:9999/x",
        "http://localhost/x,http://localhost/x",
        "https://example.com/x,https://example.com/x",
        "http://localhost:8888//evil.example/,http://localhost:8888//evil.example/",
        "http://localhost:8888@evil.example/,http://localhost:8888@evil.example/"
    })
    void a_redirect_to_the_guests_own_address_stays_where_the_client_is(
            String location, String expected) {
        assertThat(Locations.forClient(location, 8888)).isEqualTo(expected);
    }

    @Test
    void port_eighty_need_not_be_named() {
        assertThat(Locations.forClient("http://localhost/x", 80)).isEqualTo("/x");
    }
}
