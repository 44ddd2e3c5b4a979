package dev.wrenn.cli.remote;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

/**
 * Finds in one answer after the other what has not been shown yet. Points come twice a second and
 * tell whole seconds, so a second is shown, as the mean of its points, once a later one has begun.
 */
final class MetricsWatch {
    private long shownUntil = -1;

    /**
     * A second of a capsule.
     *
     * @param time since 1970
     */
    record Second(long time, double cpuPercent, long memoryBytes, long diskBytes) {
        Map<String, Object> json() {
            return Map.of(
                    MetricsReport.TIME,
                    time,
                    MetricsReport.CPU,
                    cpuPercent,
                    MetricsReport.MEMORY,
                    memoryBytes,
                    MetricsReport.DISK,
                    diskBytes);
        }

        String line() {
            return format(
                    MetricsReport.time(time),
                    MetricsReport.percent(cpuPercent),
                    Words.size(memoryBytes),
                    Words.size(diskBytes));
        }
    }

    /** Above the lines. */
    static String head() {
        return format("TIME", "CPU", "MEMORY", "DISK");
    }

    private static String format(String time, String cpu, String memory, String disk) {
        return "%-20s  %8s  %10s  %10s".formatted(time, cpu, memory, disk);
    }

    /** What is new in this answer; of the first one, only its last whole second. */
    List<Second> next(JsonNode metrics) {
        var seconds = new TreeMap<Long, List<JsonNode>>();
        for (var point : MetricsReport.points(metrics)) {
            seconds.computeIfAbsent(point.path(MetricsReport.TIME).asLong(), _ -> new ArrayList<>())
                    .add(point);
        }
        seconds.pollLastEntry(); // has only begun
        if (seconds.isEmpty()) {
            return List.of();
        }
        var fresh = shownUntil < 0 ? seconds.tailMap(seconds.lastKey()) : after(seconds);
        var shown = fresh.entrySet().stream().map(e -> mean(e.getKey(), e.getValue())).toList();
        shownUntil = Math.max(shownUntil, seconds.lastKey());
        return shown;
    }

    private Map<Long, List<JsonNode>> after(NavigableMap<Long, List<JsonNode>> seconds) {
        return seconds.tailMap(shownUntil, false);
    }

    private static Second mean(long time, List<JsonNode> points) {
        double cpu = 0;
        for (var point : points) {
            cpu += point.path(MetricsReport.CPU).asDouble();
        }
        var last = points.getLast();
        return new Second(
                time,
                cpu / points.size(),
                last.path(MetricsReport.MEMORY).asLong(),
                last.path(MetricsReport.DISK).asLong());
    }
}
