package dev.wrenn.testkit;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Waits for a state instead of sleeping. */
public final class Eventually {
    private static final long INTERVAL_NANOS = Duration.ofMillis(5).toNanos();

    private Eventually() {}

    /** Something that throws an {@link AssertionError} as long as it does not hold. */
    @FunctionalInterface
    public interface Assertions {
        /** Checks once. */
        void check() throws Exception;
    }

    /**
     * Waits until the condition holds.
     *
     * @throws AssertionError if it does not within the limit
     */
    public static void within(Duration limit, BooleanSupplier condition) {
        within(limit, "the condition", condition);
    }

    /**
     * Waits until the condition holds.
     *
     * @param what the condition in words, for the failure
     * @throws AssertionError if it does not within the limit
     */
    public static void within(Duration limit, String what, BooleanSupplier condition) {
        holds(
                limit,
                () -> {
                    if (!condition.getAsBoolean()) {
                        throw new AssertionError(
                                "%s did not hold within %d ms".formatted(what, limit.toMillis()));
                    }
                });
    }

    /**
     * Waits until the assertions pass.
     *
     * @throws AssertionError the last failure, once the limit has passed
     */
    public static void holds(Duration limit, Assertions assertions) {
        long end = System.nanoTime() + Slowness.scaled(limit).toNanos();
        AssertionError last = failureOf(assertions);
        while (last != null) {
            if (System.nanoTime() - end >= 0) {
                throw last;
            }
            if (Thread.currentThread().isInterrupted()) {
                throw new AssertionError("interrupted while waiting", last);
            }
            LockSupport.parkNanos(INTERVAL_NANOS);
            last = failureOf(assertions);
        }
    }

    /**
     * Waits until the supplier returns something.
     *
     * @throws AssertionError if it returns null until the limit has passed
     */
    public static <T> T get(Duration limit, String what, Supplier<@Nullable T> supplier) {
        var found = new Holder<T>();
        within(
                limit,
                what,
                () -> {
                    found.value = supplier.get();
                    return found.value != null;
                });
        return java.util.Objects.requireNonNull(found.value);
    }

    private static final class Holder<T> {
        private @Nullable T value;
    }

    private static @Nullable AssertionError failureOf(Assertions assertions) {
        try {
            assertions.check();
            return null;
        } catch (AssertionError e) {
            return e;
        } catch (Exception e) {
            // The state is not there yet, or the check is wrong; at the end the cause tells which.
            return new AssertionError("the check failed", e);
        }
    }
}
