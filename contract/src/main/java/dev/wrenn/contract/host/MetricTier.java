package dev.wrenn.contract.host;

import java.time.Duration;

/** How finely a host keeps what capsules used, and for how long. */
public enum MetricTier {
    /** Every measurement. */
    SINGLE(Duration.ofMillis(500), Duration.ofMinutes(10)),
    /** Averages of half a minute. */
    HALF_MINUTES(Duration.ofSeconds(30), Duration.ofHours(2)),
    /** Averages of five minutes. */
    FIVE_MINUTES(Duration.ofMinutes(5), Duration.ofHours(24));

    private final Duration step;
    private final Duration kept;

    MetricTier(Duration step, Duration kept) {
        this.step = step;
        this.kept = kept;
    }

    /** Between two of its points. */
    public Duration step() {
        return step;
    }

    /** Age at which its points go. */
    public Duration kept() {
        return kept;
    }

    /** Most points that it has. */
    public int capacity() {
        return (int) kept.dividedBy(step);
    }

    /** The finest that reaches back so far; the one that reaches farthest if none does. */
    public static MetricTier covering(Duration window) {
        for (MetricTier tier : values()) {
            if (window.compareTo(tier.kept) <= 0) {
                return tier;
            }
        }
        return FIVE_MINUTES;
    }
}
