package dev.wrenn.testkit;

import java.time.Duration;
import java.util.Optional;

/**
 * How much slower than usual this machine is: WRENN_TEST_SLOWNESS, for a machine inside of an
 * emulator. Limits of tests are multiplied by it; nothing waits longer than it needs because of it.
 */
public final class Slowness {
    private Slowness() {}

    /** The limit as it is to be on this machine. */
    public static Duration scaled(Duration limit) {
        return limit.multipliedBy(factor());
    }

    private static int factor() {
        return Optional.ofNullable(System.getenv("WRENN_TEST_SLOWNESS"))
                .map(Integer::parseInt)
                .orElse(1);
    }
}
