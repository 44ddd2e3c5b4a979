package dev.wrenn.base;

import java.time.Duration;

/**
 * The monotonic point in time at which an operation must have ended; made at the entry of the
 * operation and handed down.
 */
public final class Deadline {
    private final long endNanos;
    private final Duration limit;

    private Deadline(Duration limit) {
        this.limit = limit;
        this.endNanos = System.nanoTime() + limit.toNanos();
    }

    /** A deadline that many from now. */
    public static Deadline after(Duration limit) {
        return new Deadline(limit);
    }

    /** What is left; zero once it has passed, never negative. */
    public Duration left() {
        return Duration.ofNanos(Math.max(0, endNanos - System.nanoTime()));
    }

    /** The smaller of what is left and the given limit. */
    public Deadline atMost(Duration inner) {
        var left = left();
        return after(left.compareTo(inner) < 0 ? left : inner);
    }

    /** Whether it has passed. */
    public boolean isPast() {
        return System.nanoTime() - endNanos >= 0;
    }

    /**
     * Fails if the deadline has passed.
     *
     * @param attempt what was being tried, for the message
     */
    public void check(String attempt) {
        if (isPast()) {
            throw new DeadlinePassed(attempt, limit);
        }
    }

    /** The limit it was made with. */
    public Duration limit() {
        return limit;
    }
}
