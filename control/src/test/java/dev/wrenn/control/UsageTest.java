package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Forks;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.usage.Usage;
import dev.wrenn.testkit.Eventually;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Statistics and usage of a team: §3.2 of the API contract. Where time matters, it is one of the
 * year 2100, so that the samples that the server takes by itself are elsewhere.
 */
class UsageTest {
    @RegisterExtension private static final ControlRig RIG = new ControlRig();

    private static final Instant START = Instant.parse("2100-03-10T12:00:00Z");
    private static final Duration LIMIT = Duration.ofSeconds(20);

    private final TeamId team = RIG.newTeam();
    private final Api api = RIG.clientOf(team);
    private volatile Instant now = START;
    private final Usage usage = otherServer();

    private Usage otherServer() {
        return new Usage(RIG.database().jdbi(), () -> now);
    }

    private JsonNode stats(String range) {
        return usage.stats(team, Optional.of(range));
    }

    private JsonNode today() {
        return usage.usage(team, Optional.empty(), Optional.empty()).path("points").path(0);
    }

    private void sampleFor(Duration time) {
        for (var end = now.plus(time); now.isBefore(end); now = now.plusSeconds(10)) {
            usage.sample();
        }
    }

    private static List<Integer> numbers(JsonNode array) {
        var numbers = new ArrayList<Integer>();
        array.forEach(n -> numbers.add(n.asInt()));
        return numbers;
    }

    private static void assertReserved(JsonNode current, int running, int vcpus, int memoryMb) {
        assertThat(current.path("running_count").asInt(-1)).isEqualTo(running);
        assertThat(current.path("vcpus_reserved").asInt(-1)).isEqualTo(vcpus);
        assertThat(current.path("memory_mb_reserved").asInt(-1)).isEqualTo(memoryMb);
    }

    @Test
    void a_team_without_capsules_has_zeros_and_no_curve() {
        var stats = api.get("/v1/capsules/stats").is(200);

        assertThat(stats.path("range").asText()).isEqualTo("1h");
        assertReserved(stats.path("current"), 0, 0, 0);
        assertThat(stats.path("current").properties()).hasSize(3);
        for (var field : List.of("running_count", "vcpus", "memory_mb")) {
            assertThat(stats.path("peaks").path(field).asInt(-1)).isZero();
        }
        for (var field : List.of("labels", "running", "vcpus", "memory_mb")) {
            assertThat(stats.path("series").path(field).isArray()).isTrue();
            assertThat(stats.path("series").path(field)).isEmpty();
        }
    }

    @Test
    void now_counts_what_runs_and_half_the_memory_of_what_is_paused() {
        api.create("{\"vcpus\":2,\"memory_mb\":1024}");
        var paused = api.create("{\"vcpus\":4,\"memory_mb\":257}");
        api.post("/v1/capsules/" + paused + "/pause").is(200);
        var gone = api.create();
        api.delete("/v1/capsules/" + gone).is(204);
        RIG.newClient().create();

        assertReserved(api.get("/v1/capsules/stats").is(200).path("current"), 1, 2, 1024 + 129);
    }

    @Test
    void a_server_takes_samples_by_itself() {
        api.create("{\"vcpus\":3}");

        try (var _ = RIG.another()) { // its first sample comes at once
            var stats =
                    Eventually.get(
                            LIMIT,
                            "a sample",
                            () -> {
                                var answer = api.get("/v1/capsules/stats?range=5m").is(200);
                                return answer.at("/series/labels").isEmpty() ? null : answer;
                            });

            assertThat(numbers(stats.path("series").path("vcpus"))).contains(3);
            assertThat(stats.path("peaks").path("vcpus").asInt()).isEqualTo(3);
        }
    }

    @ParameterizedTest
    @CsvSource({"5m,3", "1h,30", "6h,180", "24h,720", "30d,21600"})
    void each_range_has_its_steps_and_shows_the_most_of_each(String range, long stepSeconds) {
        var step = Duration.ofSeconds(stepSeconds);
        var first = api.create("{\"vcpus\":2}");
        usage.sample();
        api.create("{\"vcpus\":5}");
        now = START.plusSeconds(10);
        usage.sample();
        api.delete("/v1/capsules/" + first).is(204);
        now =
                START.plus(
                        step.compareTo(Duration.ofSeconds(10)) > 0 ? step : Duration.ofSeconds(20));
        usage.sample();

        var series = stats(range).path("series");

        var third = now.getEpochSecond() / stepSeconds * stepSeconds;
        if (stepSeconds > 10) {
            assertThat(series.path("labels").path(0).asText()).isEqualTo(START.toString());
            assertThat(numbers(series.path("vcpus"))).containsExactly(7, 5);
            assertThat(numbers(series.path("running"))).containsExactly(2, 1);
            assertThat(numbers(series.path("memory_mb"))).containsExactly(1024, 512);
        } else {
            assertThat(numbers(series.path("vcpus"))).containsExactly(2, 7, 5);
        }
        assertThat(series.path("labels").path(series.path("labels").size() - 1).asText())
                .isEqualTo(Instant.ofEpochSecond(third).toString());
    }

    @Test
    void what_is_older_than_the_range_is_not_shown() {
        api.create();
        usage.sample();
        now = START.plus(Duration.ofMinutes(5));

        assertThat(stats("5m").path("series").path("labels")).isEmpty();
        assertThat(stats("1h").path("series").path("labels")).hasSize(1);
    }

    @Test
    void peaks_look_back_thirty_days() {
        var id = api.create("{\"vcpus\":6,\"memory_mb\":2048}");
        usage.sample();
        api.delete("/v1/capsules/" + id).is(204);
        api.create("{\"vcpus\":1,\"memory_mb\":512}");
        now = START.plus(Duration.ofDays(29));
        usage.sample();

        assertThat(stats("5m").path("peaks").path("vcpus").asInt()).isEqualTo(6);
        assertThat(stats("5m").path("peaks").path("memory_mb").asInt()).isEqualTo(2048);

        now = START.plus(Duration.ofDays(31));
        assertThat(stats("5m").path("peaks").path("vcpus").asInt()).isEqualTo(1);
    }

    @Test
    void the_curve_of_a_team_ends_in_zeros_when_its_last_capsule_is_gone() {
        var id = api.create();
        usage.sample();
        api.delete("/v1/capsules/" + id).is(204);
        now = START.plusSeconds(10);
        sampleFor(Duration.ofMinutes(4));

        assertThat(numbers(stats("5m").path("series").path("running")))
                .containsExactly(1, 0, 0, 0, 0, 0, 0);
        assertThat(today().path("cpu_minutes").asDouble()).isEqualTo(10 / 60.0);
    }

    @Test
    void usage_is_what_the_samples_add_up_to() {
        api.create("{\"vcpus\":2,\"memory_mb\":512}");

        sampleFor(Duration.ofMinutes(3));

        assertThat(today().path("date").asText()).isEqualTo("2100-03-10");
        assertThat(today().path("cpu_minutes").asDouble()).isCloseTo(6, within(1e-9));
        assertThat(today().path("ram_mb_minutes").asDouble()).isCloseTo(3 * 512, within(1e-9));
    }

    @Test
    void a_paused_capsule_uses_no_processor_and_half_its_memory() {
        var id = api.create("{\"vcpus\":2,\"memory_mb\":512}");
        api.post("/v1/capsules/" + id + "/pause").is(200);

        sampleFor(Duration.ofMinutes(1));

        assertThat(today().path("cpu_minutes").asDouble(-1)).isZero();
        assertThat(today().path("ram_mb_minutes").asDouble()).isCloseTo(256, within(1e-9));
    }

    @Test
    void a_period_counts_once_however_many_servers_take_it() {
        api.create("{\"vcpus\":1}");
        for (int i = 0; i < 5; i++) {
            RIG.newClient().create(); // more rows, more order to get wrong
        }

        for (int period = 0; period < 30; period++) {
            var together = new CountDownLatch(1);
            try (var forks = new Forks()) {
                var servers = new ArrayList<Forks.Fork<Boolean>>();
                for (int server = 0; server < 4; server++) {
                    Callable<Boolean> sample =
                            () -> {
                                var other = otherServer();
                                together.await();
                                other.sample();
                                return true;
                            };
                    servers.add(forks.start("server " + server, sample));
                }
                together.countDown();
                servers.forEach(s -> s.take(LIMIT));
            }
            now = now.plusSeconds(10);
        }

        assertThat(today().path("cpu_minutes").asDouble()).isCloseTo(5, within(1e-9));
    }

    @Test
    void no_minutes_are_made_up_for_the_time_when_no_server_ran() {
        api.create("{\"vcpus\":1}");
        sampleFor(Duration.ofMinutes(1));
        now = now.plus(Duration.ofHours(2));
        sampleFor(Duration.ofMinutes(1));

        assertThat(today().path("cpu_minutes").asDouble()).isCloseTo(2, within(1e-9));
        assertThat(stats("6h").path("series").path("labels")).hasSize(2);
    }

    @Test
    void a_sample_belongs_to_the_day_of_its_time_in_utc() {
        api.create("{\"vcpus\":1}");
        now = Instant.parse("2100-03-10T23:59:59.999Z");
        usage.sample();
        now = Instant.parse("2100-03-11T00:00:00Z");
        usage.sample();
        now = Instant.parse("2100-03-12T08:00:00Z");

        var points =
                usage.usage(team, Optional.of("2100-03-10"), Optional.of("2100-03-12"))
                        .path("points");

        assertThat(points).hasSize(3);
        assertThat(points.path(0).path("cpu_minutes").asDouble()).isEqualTo(10 / 60.0);
        assertThat(points.path(1).path("cpu_minutes").asDouble()).isEqualTo(10 / 60.0);
        assertThat(points.path(2).path("date").asText()).isEqualTo("2100-03-12");
        assertThat(points.path(2).path("cpu_minutes").asDouble(-1)).isZero();
    }

    @Test
    void only_days_with_anything_and_today_have_a_point() {
        assertThat(
                        usage.usage(team, Optional.of("2100-03-01"), Optional.of("2100-03-09"))
                                .path("points"))
                .isEmpty();
        assertThat(
                        usage.usage(team, Optional.of("2100-03-01"), Optional.of("2100-03-10"))
                                .path("points"))
                .hasSize(1);
    }

    @Test
    void old_samples_go_and_what_they_added_up_to_stays() {
        api.create("{\"vcpus\":2}");
        sampleFor(Duration.ofMinutes(1));
        now = START.plus(Duration.ofDays(20));
        usage.prune();

        assertThat(samplesOf(team)).isZero();
        assertThat(stats("5m").path("peaks").path("vcpus").asInt()).isEqualTo(2);
        assertThat(numbers(stats("30d").path("series").path("vcpus"))).containsExactly(2);

        now = START.plus(Duration.ofDays(31));
        usage.prune();

        assertThat(stats("5m").path("peaks").path("vcpus").asInt()).isZero();
        assertThat(
                        usage.usage(team, Optional.of("2100-03-10"), Optional.of("2100-03-10"))
                                .path("points")
                                .path(0)
                                .path("cpu_minutes")
                                .asDouble())
                .isCloseTo(2, within(1e-9));
    }

    private static long samplesOf(TeamId team) {
        return RIG.database()
                .jdbi()
                .withHandle(h ->
                        h.createQuery("SELECT count(*) FROM team_samples WHERE team_id = :team")
                                .bind("team", team.text())
                                .mapTo(Long.class)
                                .one());
    }

    @Test
    void usage_covers_thirty_days_to_today_unless_asked_otherwise() {
        var answer = api.get("/v1/capsules/usage").is(200);
        var today = LocalDate.parse(answer.path("to").asText());

        assertThat(today)
                .isCloseTo(
                        LocalDate.ofInstant(InstantSource.system().instant(), ZoneOffset.UTC),
                        within(1, java.time.temporal.ChronoUnit.DAYS));
        assertThat(answer.path("from").asText()).isEqualTo(today.minusDays(29).toString());
        assertThat(answer.path("points")).hasSize(1);
        assertThat(answer.path("points").path(0).path("date").asText()).isEqualTo(today.toString());
        assertThat(answer.path("points").path(0).path("ram_mb_minutes").isDouble()).isTrue();

        var asked = api.get("/v1/capsules/usage?from=2026-01-01&to=2026-04-03").is(200);
        assertThat(asked.path("from").asText()).isEqualTo("2026-01-01");
        assertThat(asked.path("to").asText()).isEqualTo("2026-04-03");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "stats?range=2h",
                "stats?range=1H",
                "stats?range=5m%20",
                "usage?from=yesterday",
                "usage?from=2026-02-31",
                "usage?to=2026-1-1",
                "usage?to=%2B12026-01-01",
                "usage?from=2026-02-02&to=2026-02-01",
                "usage?from=2026-01-01&to=2026-04-04"
            })
    void what_cannot_be_answered_is_refused(String request) {
        api.get("/v1/capsules/" + request).fails(400, "invalid_request");
    }

    @Test
    void a_refusal_names_what_is_possible() {
        assertThat(api.get("/v1/capsules/stats?range=7m").fails(400, "invalid_request"))
                .contains("5m, 1h, 6h, 24h, 30d")
                .contains("7m");
        assertThat(api.get("/v1/capsules/usage?from=x").fails(400, "invalid_request"))
                .contains("from")
                .contains("2026-01-31");
    }

    @Test
    void nobody_sees_them_without_a_key_and_nobody_those_of_others() {
        new Api(RIG.baseUrl(), "").get("/v1/capsules/stats").fails(401, "unauthorized");
        new Api(RIG.baseUrl(), "").get("/v1/capsules/usage").fails(401, "unauthorized");
        api.create();

        assertReserved(RIG.newClient().get("/v1/capsules/stats").is(200).path("current"), 0, 0, 0);
    }

    @Test
    void a_capsule_that_its_host_lost_is_not_counted() {
        var id = api.create();
        RIG.host().loseVm(new CapsuleId(id), "gone");
        Eventually.within(LIMIT, () -> api.status(id).equals("error"));

        assertReserved(api.get("/v1/capsules/stats").is(200).path("current"), 0, 0, 0);
    }
}
