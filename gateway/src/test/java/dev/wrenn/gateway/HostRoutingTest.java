package dev.wrenn.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.contract.CapsuleId;
import dev.wrenn.testkit.Cases;
import java.math.BigInteger;
import java.util.Locale;
import java.util.Optional;
import org.eclipse.jetty.http.HttpFields;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayNameGeneration(DisplayNameGenerator.ReplaceUnderscores.class)
class HostRoutingTest {
    private static final String ID = "cl-6dfzh5ik5uxynzmlf5cshamdk";
    private static final BigInteger LIMIT = BigInteger.ONE.shiftLeft(128);

    private final HostRouting routing = new HostRouting();

    private Optional<Route> route(String host) {
        return routing.route(host, HttpFields.EMPTY);
    }

    private int statusOf(String host) {
        return ((Route.Nowhere) route(host).orElseThrow()).status();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "8080-" + ID + ".localhost",
                "8080-" + ID + ".localhost.",
                "8080-CL-6DFZH5IK5UXYNZMLF5CSHAMDK.LocalHost",
                "8080-" + ID + ".capsules.example.com"
            })
    void a_port_and_a_capsule_are_found_in_the_first_label(String host) {
        assertThat(route(host)).contains(new Route.ToPort(new CapsuleId(ID), 8080));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "localhost",
                "127.0.0.1",
                "[::1]",
                "",
                ".",
                ID + ".localhost",
                "8080-" + ID,
                "8080-" + ID + ".",
                "-" + ID + ".localhost",
                "x8080-" + ID + ".localhost",
                "-8080-" + ID + ".localhost",
                "8080-cl.localhost",
                "8080-cl-.localhost",
                "8080-tm-6dfzh5ik5uxynzmlf5cshamdk.localhost",
                "a.8080-" + ID + ".localhost",
                "٨٠٨٠-" + ID + ".localhost"
            })
    void any_other_name_is_the_apis(String host) {
        assertThat(route(host)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "65536", "99999", "100000", "99999999999999999999", "08080", "00"})
    void a_port_that_cannot_be_is_a_bad_request(String port) {
        assertThat(statusOf(port + "-" + ID + ".localhost")).isEqualTo(400);
    }

    @Test
    void the_first_and_the_last_port_are_ports() {
        for (int port : new int[] {1, 65_535}) {
            assertThat(route(port + "-" + ID + ".localhost"))
                    .contains(new Route.ToPort(new CapsuleId(ID), port));
        }
    }

    @Test
    void the_guest_agents_port_is_forbidden_whoever_asks() {
        assertThat(statusOf("49983-" + ID + ".localhost")).isEqualTo(403);
        assertThat(statusOf("49983-cl-x.localhost")).isEqualTo(403);
    }

    /** Gap S7: a value beyond 128 bits must be an answer, not a crash. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "cl-x",
                "cl-zzzzzzzzzzzzzzzzzzzzzzzzz",
                "cl-f5lxx1zz5pnorynqglhzmsp34",
                "cl-6dfzh5ik5uxynzmlf5cshamd",
                "cl-6dfzh5ik5uxynzmlf5cshamdkk"
            })
    void a_capsule_id_that_cannot_be_is_a_bad_request(String id) {
        assertThat(statusOf("8080-" + id + ".localhost")).isEqualTo(400);
    }

    @Test
    void every_good_name_is_understood_however_it_is_written() {
        Cases.check(
                2_000,
                source -> {
                    var id = CapsuleId.random();
                    int port = source.between(1, 65_535);
                    var host =
                            port + "-" + id + "." + domain(source) + (source.oneIn(2) ? "." : "");
                    var written = source.oneIn(3) ? host.toUpperCase(Locale.ROOT) : host;

                    var route = route(written).orElseThrow();

                    if (port == HostRouting.AGENT_PORT) {
                        assertThat(route).isInstanceOf(Route.Nowhere.class);
                    } else {
                        assertThat(route).isEqualTo(new Route.ToPort(id, port));
                    }
                });
    }

    @Test
    void ids_of_any_value_and_length_get_an_answer() {
        Cases.check(
                2_000,
                source -> {
                    var digits = new StringBuilder();
                    int length = source.between(1, 40);
                    for (int i = 0; i < length; i++) {
                        digits.append(Character.forDigit(source.between(0, 35), 36));
                    }
                    boolean good =
                            length == 25
                                    && new BigInteger(digits.toString(), 36).compareTo(LIMIT) < 0;

                    var route = route("80-cl-" + digits + ".x").orElseThrow();

                    assertThat(route instanceof Route.ToPort).isEqualTo(good);
                });
    }

    @Test
    void no_text_at_all_makes_it_fail() {
        Cases.check(
                5_000,
                source -> {
                    var text = source.text();
                    if (source.oneIn(2)) {
                        text = "80-" + ID + text;
                    }
                    var route = route(text);

                    route.ifPresent(r -> {
                        if (r instanceof Route.ToPort(var _, int port)) {
                            assertThat(port).isBetween(1, 65_535);
                            assertThat(port).isNotEqualTo(HostRouting.AGENT_PORT);
                        }
                    });
                });
    }

    private static String domain(Cases.Case source) {
        return source.pick(
                java.util.List.of(
                        "localhost",
                        "example.com",
                        "127.0.0.1",
                        "a.b.c.d",
                        "xn--bcher-kva.example"));
    }
}
