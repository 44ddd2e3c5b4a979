package dev.wrenn.pager;

import java.util.concurrent.atomic.AtomicLongArray;

/** Distribution of fault service times; one writer, any reader, nothing allocated. */
final class ServiceTimes {
    private static final int STEP_NANOS = 250;
    private static final int STEPS = 8_192; // up to 2 ms; what is slower counts in the last one

    private final AtomicLongArray counts = new AtomicLongArray(STEPS);
    private volatile long maxNanos;

    void add(long nanos) {
        int step = (int) Math.min(STEPS - 1, nanos / STEP_NANOS);
        counts.setOpaque(step, counts.getOpaque(step) + 1);
        if (nanos > maxNanos) {
            maxNanos = nanos;
        }
    }

    long maxNanos() {
        return maxNanos;
    }

    /** Upper bound of the step that holds the given share of all; 0 without any. */
    long quantileNanos(double share) {
        long total = 0;
        for (int i = 0; i < STEPS; i++) {
            total += counts.getOpaque(i);
        }
        long wanted = (long) Math.ceil(total * share);
        long seen = 0;
        for (int i = 0; i < STEPS && wanted > 0; i++) {
            seen += counts.getOpaque(i);
            if (seen >= wanted) {
                return (i + 1L) * STEP_NANOS;
            }
        }
        return 0;
    }
}
