package dev.wrenn.base;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** Waiting for a condition that nothing announces: the one place that sleeps. */
public final class Pause {
    private Pause() {}

    /**
     * Looks at the condition every interval until it holds.
     *
     * @return whether it held before the deadline passed
     */
    public static boolean until(BooleanSupplier condition, Duration interval, Deadline deadline) {
        while (!condition.getAsBoolean()) {
            if (deadline.isPast()) {
                return false;
            }
            if (Thread.interrupted()) {
                Thread.currentThread().interrupt();
                throw new WrennException(Kind.UNAVAILABLE, "waiting was interrupted");
            }
            LockSupport.parkNanos(interval.toNanos());
        }
        return true;
    }
}
