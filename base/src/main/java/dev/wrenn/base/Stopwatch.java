package dev.wrenn.base;

import java.time.Duration;

/** Measures how long something takes, by the monotonic clock. */
public final class Stopwatch {
    private final long startNanos = System.nanoTime();

    private Stopwatch() {}

    /** Starts measuring now. */
    public static Stopwatch start() {
        return new Stopwatch();
    }

    /** The time since the start. */
    public Duration elapsed() {
        return Duration.ofNanos(elapsedNanos());
    }

    /** The time since the start, in nanoseconds and without allocating. */
    public long elapsedNanos() {
        return System.nanoTime() - startNanos;
    }
}
