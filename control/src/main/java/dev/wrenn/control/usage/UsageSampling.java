package dev.wrenn.control.usage;

import dev.wrenn.base.Loop;
import dev.wrenn.base.Resource;
import java.time.Duration;

/** Takes the samples in time, and removes the old ones now and then. */
public final class UsageSampling implements Resource {
    /** Far below the period, so that no period is missed because a sample took its time. */
    private static final Duration TICK = Duration.ofSeconds(1);

    private static final Duration PRUNING = Duration.ofMinutes(10);

    private final Usage usage;
    private final Loop sampling;
    private final Loop pruning;
    private long lastPeriod; // sampling thread only

    private UsageSampling(Usage usage) {
        this.usage = usage;
        this.sampling = Loop.every("usage-samples", TICK, this::sampleOnce);
        this.pruning = Loop.every("usage-pruning", PRUNING, usage::prune);
    }

    /** Begins now. */
    public static UsageSampling start(Usage usage) {
        return new UsageSampling(usage);
    }

    private void sampleOnce() {
        long period = usage.period();
        if (period != lastPeriod) {
            lastPeriod = period; // also of one that fails: the next one is another try
            usage.sample();
        }
    }

    @Override
    public void close() {
        sampling.close();
        pruning.close();
    }
}
