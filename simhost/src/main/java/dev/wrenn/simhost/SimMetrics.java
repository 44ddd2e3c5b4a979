package dev.wrenn.simhost;

import dev.wrenn.contract.host.MetricPoint;
import dev.wrenn.contract.host.MetricTier;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/**
 * What a simulated capsule used: the same at every step of each of its runs, the first of which is
 * its start. Thread-safe.
 */
final class SimMetrics {
    /** What every point says. */
    static final MetricPoint POINT = new MetricPoint(Instant.EPOCH, 12.5, 64L << 20, 3L << 20);

    private final List<Run> runs = new ArrayList<>();

    private record Run(Instant start, Instant end) {
        boolean isOpen() {
            return end.equals(Instant.MAX);
        }
    }

    synchronized void begin(Instant now) {
        if (runs.isEmpty() || !runs.getLast().isOpen()) {
            runs.add(new Run(now, Instant.MAX));
        }
    }

    synchronized void end(Instant now) {
        if (!runs.isEmpty() && runs.getLast().isOpen()) {
            runs.add(new Run(runs.removeLast().start(), now));
        }
    }

    synchronized List<MetricPoint> read(Duration window, Instant now) {
        var step = MetricTier.covering(window).step();
        var since = now.minus(window);
        var points = new ArrayList<MetricPoint>();
        for (var run : runs) {
            var end = run.isOpen() ? now : run.end();
            for (var at = run.start(); !at.isAfter(end); at = at.plus(step)) {
                if (at.isAfter(since)) {
                    points.add(
                            new MetricPoint(
                                    at,
                                    POINT.cpuPercent(),
                                    POINT.memoryBytes(),
                                    POINT.diskBytes()));
                }
            }
        }
        return points;
    }
}
