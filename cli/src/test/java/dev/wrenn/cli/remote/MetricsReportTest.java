package dev.wrenn.cli.remote;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What metrics, statistics and usage look like. */
class MetricsReportTest {
    private static final long MIB = 1L << 20;
    private static final Curve CURVE = Curve.on(StandardCharsets.UTF_8);

    private static JsonNode json(String text) {
        try {
            return new ObjectMapper().readTree(text);
        } catch (JsonProcessingException e) {
            throw new AssertionError(e);
        }
    }

    private static String point(long time, double cpu, long memoryMib, long diskMib) {
        return "{\"timestamp_unix\":%d,\"cpu_pct\":%s,\"mem_bytes\":%d,\"disk_bytes\":%d}"
                .formatted(time, Double.toString(cpu), memoryMib * MIB, diskMib * MIB);
    }

    private static JsonNode metrics(String... points) {
        return json("{\"range\":\"10m\",\"points\":[%s]}".formatted(String.join(",", points)));
    }

    @Test
    void a_summary_has_the_last_the_mean_and_the_greatest_value() {
        var lines =
                MetricsReport.summary(
                        metrics(point(10, 0, 100, 1), point(11, 90, 300, 2), point(12, 6, 200, 6)),
                        CURVE);

        assertThat(lines)
                .containsExactly(
                        "        NOW        AVERAGE    MOST       OVER THE LAST 10m",
                        "CPU     6.0 %      32.0 %     90.0 %     ▁▇▁",
                        "MEMORY  200.0 MiB  200.0 MiB  300.0 MiB  ▃█▆",
                        "DISK    6.0 MiB    3.0 MiB    6.0 MiB    ▂▃█",
                        "3 measurements until 1970-01-01T00:00:12Z");
    }

    @Test
    void a_summary_of_nothing_says_so() {
        assertThat(MetricsReport.summary(metrics(), CURVE))
                .containsExactly("nothing was measured in the last 10m");
    }

    @Test
    void every_point_can_be_shown() {
        assertThat(MetricsReport.table(metrics(point(10, 1.25, 1, 0))))
                .containsExactly(
                        "TIME                  CPU    MEMORY   DISK",
                        "1970-01-01T00:00:10Z  1.3 %  1.0 MiB  0 B");
    }

    @Test
    void a_long_curve_shows_the_greatest_of_each_column() {
        var values = new ArrayList<Double>();
        for (int i = 0; i < 4_000; i++) {
            values.add(i == 2_050 ? 100.0 : 0.0);
        }

        assertThat(CURVE.of(values)).isEqualTo("▁".repeat(20) + "█" + "▁".repeat(19));
        assertThat(Curve.on(StandardCharsets.US_ASCII).of(values))
                .isEqualTo("_".repeat(20) + "#" + "_".repeat(19));
        assertThat(CURVE.of(List.of())).isEmpty();
        assertThat(CURVE.of(List.of(0.0, 0.0))).isEqualTo("▁▁");
    }

    @Test
    void watching_shows_each_second_once_and_only_when_it_is_over() {
        var watch = new MetricsWatch();

        var first =
                watch.next(
                        metrics(
                                point(8, 1, 1, 1),
                                point(9, 10, 1, 1),
                                point(9, 20, 2, 1),
                                point(10, 99, 3, 1)));
        var again = watch.next(metrics(point(9, 20, 2, 1), point(10, 99, 3, 1)));
        var later =
                watch.next(
                        metrics(
                                point(9, 20, 2, 1),
                                point(10, 99, 3, 1),
                                point(10, 1, 4, 2),
                                point(12, 5, 5, 5),
                                point(13, 0, 0, 0)));

        assertThat(first).containsExactly(new MetricsWatch.Second(9, 15, 2 * MIB, MIB));
        assertThat(again).isEmpty();
        assertThat(later)
                .containsExactly(
                        new MetricsWatch.Second(10, 50, 4 * MIB, 2 * MIB),
                        new MetricsWatch.Second(12, 5, 5 * MIB, 5 * MIB));
        assertThat(later.getFirst().line()).hasSameSizeAs(MetricsWatch.head());
        assertThat(watch.next(metrics())).isEmpty();
    }

    @Test
    void statistics_are_shown_beside_their_peaks() {
        var stats =
                json(
                        """
                        {"range":"1h",
                         "current":{"running_count":2,"vcpus_reserved":3,"memory_mb_reserved":1536},
                         "peaks":{"running_count":5,"vcpus":9,"memory_mb":4096},
                         "series":{"labels":["a","b"],"running":[0,2],"vcpus":[1,3],
                                   "memory_mb":[1536,1536]}}
                        """);

        assertThat(StatsCommand.lines(stats, CURVE))
                .containsExactly(
                        "         NOW      MOST IN 30 DAYS  OVER THE LAST 1h",
                        "RUNNING  2        5                ▁█",
                        "VCPUS    3        9                ▃█",
                        "MEMORY   1.5 GiB  4.0 GiB          ██");
    }

    @Test
    void usage_is_added_up() {
        var usage =
                json(
                        """
                        {"points":[{"date":"2026-01-30","cpu_minutes":90,"ram_mb_minutes":61440},
                                   {"date":"2026-01-31","cpu_minutes":30,"ram_mb_minutes":30720}]}
                        """);

        assertThat(UsageCommand.lines(usage))
                .containsExactly(
                        "DAY         VCPU HOURS  GIB HOURS OF MEMORY",
                        "2026-01-30  1.50        1.00",
                        "2026-01-31  0.50        0.50",
                        "together    2.00        1.50");
    }
}
