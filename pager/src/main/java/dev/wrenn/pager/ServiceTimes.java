package dev.wrenn.pager;

import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Distribution of fault service times; one writer, any reader, nothing allocated. Steps grow with
 * the value: each is a 32nd of its power of two, so a quantile is at most 3 % too high.
 */
final class ServiceTimes {
    private static final int STEP_BITS = 5;
    private static final int STEPS = 1 << STEP_BITS;

    private final AtomicLongArray counts = new AtomicLongArray((Long.SIZE - STEP_BITS) * STEPS);
    private volatile long maxNanos;

    void add(long nanos) {
        int step = stepOf(nanos);
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
        for (int i = 0; i < counts.length(); i++) {
            total += counts.getOpaque(i);
        }
        long wanted = (long) Math.ceil(total * share);
        long seen = 0;
        for (int i = 0; i < counts.length() && wanted > 0; i++) {
            seen += counts.getOpaque(i);
            if (seen >= wanted) {
                return Math.min(maxNanos, lastOf(i));
            }
        }
        return 0;
    }

    private static int stepOf(long nanos) {
        long value = Math.max(0, nanos);
        if (value < STEPS) {
            return (int) value;
        }
        int shift = Long.SIZE - 1 - STEP_BITS - Long.numberOfLeadingZeros(value);
        return (shift + 1) * STEPS + (int) (value >>> shift) - STEPS;
    }

    /** The largest value that falls into a step. */
    private static long lastOf(int step) {
        if (step < STEPS) {
            return step;
        }
        int shift = step / STEPS - 1;
        return ((long) (step % STEPS + STEPS + 1) << shift) - 1;
    }
}
