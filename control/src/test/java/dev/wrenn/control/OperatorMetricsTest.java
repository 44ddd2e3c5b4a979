package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Kind;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.operator.OperationTimer;
import dev.wrenn.simhost.FailPoint;
import dev.wrenn.testkit.Eventually;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What Prometheus reads. */
class OperatorMetricsTest {
    @RegisterExtension private static final ControlRig RIG = new ControlRig();

    private static final Duration LIMIT = Duration.ofSeconds(20);
    private static final Pattern SAMPLE =
            Pattern.compile(
                    "([a-zA-Z_:][a-zA-Z0-9_:]*(?:\\{[a-z_]+=\"[^\"]*\"(?:,[a-z_]+=\"[^\"]*\")*})?)"
                            + " ([-+0-9.eE]+|NaN|[+-]?Inf)");

    private final Api api = RIG.newClient();
    private final Api operator =
            new Api(RIG.baseUrl(), RIG.control().createKey("prometheus").reveal());

    @AfterEach
    void lets_pass_again() {
        for (var point : FailPoint.values()) {
            RIG.host().failPoints().clear(point);
        }
    }

    /** Every series with its value; a line that is none fails. */
    private Map<String, Double> read() {
        var answer = operator.get("/metrics");
        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.header("Content-Type")).startsWith("text/plain; version=0.0.4");
        var series = new TreeMap<String, Double>();
        for (var line : answer.text().lines().filter(l -> !l.startsWith("#")).toList()) {
            var sample = SAMPLE.matcher(line);
            assertThat(sample.matches()).as(line).isTrue();
            assertThat(series.put(sample.group(1), valueOf(sample.group(2)))).as(line).isNull();
        }
        return series;
    }

    private static double valueOf(String text) {
        return text.endsWith("Inf") ? Double.POSITIVE_INFINITY : Double.parseDouble(text);
    }

    private static double value(Map<String, Double> series, String name) {
        assertThat(series).containsKey(name);
        return series.getOrDefault(name, Double.NaN);
    }

    private static double count(Map<String, Double> series, String operation) {
        return value(
                series,
                "wrenn_operation_duration_seconds_count{operation=\"%s\"}".formatted(operation));
    }

    @Test
    void operations_that_succeed_are_timed() {
        var before = read();
        var id = api.create();
        api.post("/v1/capsules/" + id + "/pause").is(200);
        api.post("/v1/capsules/" + id + "/resume").is(200);
        var checkpoint =
                api.post("/v1/capsules/" + id + "/checkpoints", "{}").is(201).path("id").asText();
        api.post(
                        "/v1/capsules/" + id + "/rollback",
                        "{\"checkpoint\":\"%s\"}".formatted(checkpoint))
                .is(200);
        api.post("/v1/capsules/" + id + "/fork", "{}").is(201);
        api.post("/v1/snapshots", "{\"sandbox_id\":\"%s\"}".formatted(id)).is(201);
        api.delete("/v1/capsules/" + id).is(204);

        var after = read();

        for (var operation : OperationTimer.Operation.values()) {
            var name = operation.name().toLowerCase(java.util.Locale.ROOT);
            assertThat(count(after, name) - count(before, name)).as(name).isEqualTo(1);
            assertThat(
                            value(
                                    after,
                                    "wrenn_operation_duration_seconds_bucket{operation=\"%s\",le=\"+Inf\"}"
                                            .formatted(name)))
                    .isEqualTo(count(after, name));
        }
        assertThat(after.get("wrenn_operation_duration_seconds_sum{operation=\"create\"}"))
                .isPositive();
    }

    @Test
    void operations_that_fail_are_counted_by_the_code_that_clients_get() {
        var id = api.create();
        var before = read();
        RIG.host().failPoints().fail(FailPoint.PAUSE, Kind.UNAVAILABLE, "the test wants it");

        api.post("/v1/capsules/" + id + "/pause").fails(502, "agent_error");

        var after = read();
        var failures = "wrenn_operation_failures_total{code=\"agent_error\",operation=\"pause\"}";
        assertThat(value(after, failures) - before.getOrDefault(failures, 0.0)).isEqualTo(1);
        assertThat(count(after, "pause")).isEqualTo(count(before, "pause"));
    }

    @Test
    void capsules_are_counted_by_status() {
        var before = read();
        api.create();
        var paused = api.create();
        api.post("/v1/capsules/" + paused + "/pause").is(200);

        var after = read();

        for (var status : new String[] {"running", "paused"}) {
            var name = "wrenn_capsules{status=\"%s\"}".formatted(status);
            assertThat(value(after, name) - value(before, name)).as(status).isEqualTo(1);
        }
        assertThat(after.get("wrenn_capsules{status=\"pending\"}")).isZero();
    }

    @Test
    void the_host_tells_what_it_does_and_has_done() {
        api.create();
        var series = read();

        assertThat(series.get("wrenn_host_slots_in_use")).isPositive();
        assertThat(series.get("wrenn_host_slots")).isEqualTo(10_000);
        assertThat(series.get("wrenn_host_free_disk_bytes")).isEqualTo(5L << 30);
        assertThat(series.get("wrenn_host_disk_bytes")).isEqualTo(10L << 30);
        assertThat(series.get("wrenn_host_disk_reserve_bytes")).isEqualTo(1L << 30);
        assertThat(series.get("wrenn_host_unsaved_bytes")).isPositive();
        assertThat(series.get("wrenn_host_memory_available_bytes")).isEqualTo(3L << 30);
        assertThat(series.get("wrenn_host_memory_reserve_bytes")).isEqualTo(1L << 30);
        assertThat(series.get("wrenn_host_memory_promised_bytes")).isPositive();
        assertThat(series.get("wrenn_host_memory_promisable_bytes")).isEqualTo(4L << 30);
        assertThat(series.get("wrenn_snapshots")).isEqualTo(3);
        assertThat(series.get("wrenn_snapshot_layer_bytes")).isEqualTo(400L << 20);
        assertThat(series.get("wrenn_snapshot_live_bytes")).isEqualTo(200L << 20);
        assertThat(series.get("wrenn_snapshot_deepest_layers")).isEqualTo(4);
        assertThat(series.get("wrenn_host_vmm_memory_bytes")).isPositive();
        assertThat(series.get("wrenn_host_vmm_cpu_seconds_total")).isEqualTo(90);
        assertThat(series.get("wrenn_host_vm_starts_total")).isEqualTo(7);
        assertThat(series.get("wrenn_host_vm_saves_total")).isEqualTo(6);
        assertThat(series.get("wrenn_host_vm_saved_bytes_total")).isEqualTo(12_345);
        assertThat(series.get("wrenn_host_vm_losses_total")).isEqualTo(1);
        assertThat(series.get("wrenn_host_page_faults_total")).isEqualTo(1_234);
        assertThat(series.get("wrenn_host_prefetched_pages_total")).isEqualTo(56_789);
    }

    @Test
    void the_server_tells_of_itself() {
        var series = read();

        assertThat(series.get("wrenn_build_info{version=\"0.1.0\",vmm=\"sim\"}")).isEqualTo(1);
        assertThat(series.get("wrenn_database_connections{state=\"most\"}")).isEqualTo(16);
        assertThat(series.get("wrenn_database_connections{state=\"active\"}")).isNotNegative();
        assertThat(series.get("wrenn_database_connections{state=\"waiting\"}")).isNotNegative();
        assertThat(series.get("wrenn_builds{status=\"pending\"}")).isZero();
        assertThat(series.get("wrenn_builds{status=\"running\"}")).isZero();
        assertThat(series.get("process_open_fds")).isPositive();
        assertThat(series.get("jvm_threads_current")).isPositive();
        assertThat(series.get("jvm_memory_used_bytes{area=\"heap\"}")).isPositive();
    }

    @Test
    void what_should_be_looked_after_is_said_with_the_numbers_before_it_hurts() {
        var well = operator.get("/v1/status").is(200);
        assertThat(well.path("warnings")).isEmpty();
        assertThat(read().get("wrenn_host_warnings")).isZero();

        RIG.host().warnOf("the disk fills up", "memory runs out");
        try {
            var status = operator.get("/v1/status").is(200);

            assertThat(status.path("warnings"))
                    .extracting(com.fasterxml.jackson.databind.JsonNode::asText)
                    .containsExactly("the disk fills up", "memory runs out");
            assertThat(status.path("disk").path("free_bytes").asLong()).isEqualTo(5L << 30);
            assertThat(status.path("snapshots").path("amplification").asDouble()).isEqualTo(2);
            assertThat(read().get("wrenn_host_warnings")).isEqualTo(2);
        } finally {
            RIG.host().warnOf();
        }
        assertThat(api.get("/v1/status").fails(403, "forbidden")).contains("operator");
        new Api(RIG.baseUrl(), "").get("/v1/status").fails(401, "unauthorized");
    }

    @Test
    void no_series_is_made_by_what_users_do() {
        api.create();
        var before = read().keySet();

        var other = RIG.newClient();
        for (int i = 0; i < 3; i++) {
            var id = other.create();
            other.post("/v1/capsules/" + id + "/pause").is(200);
            other.post("/v1/snapshots", "{\"sandbox_id\":\"%s\",\"name\":\"n%d\"}".formatted(id, i))
                    .is(201);
        }

        assertThat(read().keySet()).isEqualTo(before);
    }

    @Test
    void only_keys_of_the_operator_open_it() {
        new Api(RIG.baseUrl(), "").get("/metrics").fails(401, "unauthorized");
        assertThat(api.get("/metrics").fails(403, "forbidden")).contains("operator");
        var platform = RIG.clientOf(TeamId.PLATFORM);
        assertThat(platform.get("/metrics").status()).isEqualTo(200);
        var bearer =
                new Api(RIG.baseUrl(), "")
                        .send(
                                "GET",
                                "/metrics",
                                java.net.http.HttpRequest.BodyPublishers.noBody(),
                                Map.of("Authorization", "Bearer " + operator.key()));
        assertThat(bearer.status()).isEqualTo(200);
    }

    @Test
    void without_its_database_it_says_so_and_comes_back() {
        read();
        RIG.shutDatabase();
        try {
            operator.get("/metrics").fails(503, "db_error");
        } finally {
            RIG.reopenDatabase();
        }
        Eventually.within(LIMIT, () -> operator.get("/metrics").status() == 200);
    }
}
