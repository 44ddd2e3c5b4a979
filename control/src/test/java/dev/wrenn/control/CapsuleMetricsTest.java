package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.contract.CapsuleId;
import dev.wrenn.testkit.Eventually;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Metrics of a capsule: §3.2 of the API contract. */
class CapsuleMetricsTest {
    @RegisterExtension private static final ControlRig RIG = new ControlRig();

    private static final Duration LIMIT = Duration.ofSeconds(20);

    private final Api api = RIG.newClient();

    private static String metrics(String id) {
        return "/v1/capsules/" + id + "/metrics";
    }

    @Test
    void a_running_capsule_has_the_points_that_its_host_measured() {
        var id = api.create();

        var answer = api.get(metrics(id)).is(200);

        assertThat(answer.path("sandbox_id").asText()).isEqualTo(id);
        assertThat(answer.path("range").asText()).isEqualTo("10m");
        assertThat(answer.path("points")).isNotEmpty();
        var point = answer.path("points").path(0);
        assertThat(point.properties()).hasSize(4);
        assertThat(point.path("timestamp_unix").isIntegralNumber()).isTrue();
        assertThat(point.path("timestamp_unix").asLong())
                .isCloseTo(
                        InstantSource.system().instant().getEpochSecond(),
                        org.assertj.core.api.Assertions.within(60L));
        assertThat(point.path("cpu_pct").isDouble()).isTrue();
        assertThat(point.path("cpu_pct").asDouble()).isEqualTo(12.5);
        assertThat(point.path("mem_bytes").asLong()).isEqualTo(64L << 20);
        assertThat(point.path("disk_bytes").asLong()).isEqualTo(3L << 20);
    }

    @Test
    void a_paused_capsule_still_has_them_and_nothing_new() {
        var id = api.create();
        Eventually.within(LIMIT, () -> api.get(metrics(id)).is(200).path("points").size() >= 2);
        api.post("/v1/capsules/" + id + "/pause").is(200);

        var first = api.get(metrics(id)).is(200).path("points");

        assertThat(first).hasSizeGreaterThanOrEqualTo(2);
        assertThat(api.get(metrics(id)).is(200).path("points")).isEqualTo(first);
        api.post("/v1/capsules/" + id + "/resume").is(200);
        Eventually.within(
                LIMIT, () -> api.get(metrics(id)).is(200).path("points").size() > first.size());
    }

    @ParameterizedTest
    @ValueSource(strings = {"5m", "10m", "1h", "2h", "6h", "12h", "24h"})
    void each_range_is_answered(String range) {
        var id = api.create();

        var answer = api.get(metrics(id) + "?range=" + range).is(200);

        assertThat(answer.path("range").asText()).isEqualTo(range);
        assertThat(answer.path("points")).isNotEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"30d", "1", "10M", "5m,1h", "%00"})
    void any_other_range_is_refused_with_those_that_there_are(String range) {
        var id = api.create();

        assertThat(api.get(metrics(id) + "?range=" + range).fails(400, "invalid_request"))
                .contains("5m, 10m, 1h, 2h, 6h, 12h, 24h");
    }

    @Test
    void a_capsule_that_neither_runs_nor_is_paused_has_none() {
        var destroyed = api.create();
        api.delete("/v1/capsules/" + destroyed).is(204);
        var failed = api.create();
        RIG.host().loseVm(new CapsuleId(failed), "gone");
        Eventually.within(LIMIT, () -> api.status(failed).equals("error"));

        assertThat(api.get(metrics(destroyed)).fails(404, "not_found")).contains("stopped");
        assertThat(api.get(metrics(failed)).fails(404, "not_found")).contains("error");
    }

    @Test
    void a_capsule_that_its_host_does_not_know_any_more_has_none() {
        var id = api.create();
        RIG.host().forget(new CapsuleId(id));

        api.get(metrics(id)).fails(404, "not_found");
    }

    @Test
    void nobody_sees_those_of_others() {
        var id = api.create();

        RIG.newClient().get(metrics(id)).fails(404, "not_found");
        new Api(RIG.baseUrl(), "").get(metrics(id)).fails(401, "unauthorized");
        for (var bad : List.of("cl-short", "stats", "x")) {
            api.get(metrics(bad)).fails(400, "invalid_request");
        }
        api.get(metrics(CapsuleId.random().text())).fails(404, "not_found");
    }
}
