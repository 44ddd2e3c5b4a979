package dev.wrenn.cli.remote;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** What a capsule used, for people. */
final class MetricsReport {
    static final String CPU = "cpu_pct";
    static final String MEMORY = "mem_bytes";
    static final String DISK = "disk_bytes";
    static final String TIME = "timestamp_unix";
    private static final double WHOLE = 100;

    private MetricsReport() {}

    /** The last, the mean and the greatest value of each, and how they went. */
    static List<String> summary(JsonNode metrics, Curve curve) {
        var range = metrics.path("range").asText();
        var points = points(metrics);
        if (points.isEmpty()) {
            return List.of("nothing was measured in the last " + range);
        }
        var table = new Table("", "NOW", "AVERAGE", "MOST", "OVER THE LAST " + range);
        var cpu = values(points, p -> p.path(CPU).asDouble());
        var memory = values(points, p -> p.path(MEMORY).asDouble());
        var disk = values(points, p -> p.path(DISK).asDouble());
        table.row(
                "CPU",
                percent(cpu.getLast()),
                percent(mean(cpu)),
                percent(most(cpu)),
                curve.of(cpu, WHOLE));
        table.row(row("MEMORY", memory, curve));
        table.row(row("DISK", disk, curve));
        var lines = new ArrayList<>(table.lines());
        lines.add(
                "%d measurements until %s"
                        .formatted(points.size(), time(points.getLast().path(TIME).asLong())));
        return lines;
    }

    private static String[] row(String name, List<Double> bytes, Curve curve) {
        return new String[] {
            name, size(bytes.getLast()), size(mean(bytes)), size(most(bytes)), curve.of(bytes)
        };
    }

    /** A line for each. */
    static List<String> table(JsonNode metrics) {
        var table = new Table("TIME", "CPU", "MEMORY", "DISK");
        for (var point : points(metrics)) {
            table.row(
                    time(point.path(TIME).asLong()),
                    percent(point.path(CPU).asDouble()),
                    Words.size(point.path(MEMORY).asLong()),
                    Words.size(point.path(DISK).asLong()));
        }
        return table.lines();
    }

    static List<JsonNode> points(JsonNode metrics) {
        var points = new ArrayList<JsonNode>();
        metrics.path("points").forEach(points::add);
        return points;
    }

    static String time(long seconds) {
        return Instant.ofEpochSecond(seconds).toString();
    }

    static String percent(double value) {
        return String.format(Locale.ROOT, "%.1f %%", value);
    }

    private static String size(double bytes) {
        return Words.size(Math.round(bytes));
    }

    private static List<Double> values(List<JsonNode> points, ToDoubleFunction<JsonNode> field) {
        return points.stream().mapToDouble(field).boxed().toList();
    }

    private static double mean(List<Double> values) {
        return values.stream().mapToDouble(Double::doubleValue).average().orElse(0);
    }

    private static double most(List<Double> values) {
        return values.stream().mapToDouble(Double::doubleValue).max().orElse(0);
    }
}
