package dev.wrenn.host.metrics;

import dev.wrenn.contract.host.MetricPoint;
import dev.wrenn.contract.host.MetricTier;
import java.time.Instant;
import java.util.Optional;

/**
 * Makes the points of one tier out of single ones. Its windows are those of the clock, one step
 * long; a window without any point has no average. Used by one thread.
 */
final class Averages {
    private final long stepMillis;
    private long window;
    private int count;
    private double cpuPercent;
    private double memoryBytes;
    private double diskBytes;
    private Instant last = Instant.EPOCH;

    /**
     * @param ended nothing up to the end of the window of this time is taken any more
     */
    Averages(MetricTier tier, Instant ended) {
        stepMillis = tier.step().toMillis();
        window = windowOf(ended);
    }

    private long windowOf(Instant time) {
        return Math.floorDiv(time.toEpochMilli(), stepMillis);
    }

    /**
     * Takes the next point.
     *
     * @return the average of the window before, if this one begins another
     */
    Optional<MetricPoint> add(MetricPoint point) {
        long now = windowOf(point.at());
        if (now < window || (now == window && count == 0)) {
            return Optional.empty(); // its window has its average already
        }
        var ended = now > window ? average() : Optional.<MetricPoint>empty();
        if (now > window) {
            window = now;
            count = 0;
            cpuPercent = 0;
            memoryBytes = 0;
            diskBytes = 0;
        }
        count++;
        cpuPercent += point.cpuPercent();
        memoryBytes += point.memoryBytes();
        diskBytes += point.diskBytes();
        last = point.at();
        return ended;
    }

    /** Of the present window so far; empty if there was nothing in it. */
    Optional<MetricPoint> average() {
        return count == 0
                ? Optional.empty()
                : Optional.of(
                        new MetricPoint(
                                last,
                                cpuPercent / count,
                                Math.round(memoryBytes / count),
                                Math.round(diskBytes / count)));
    }
}
