package dev.wrenn.host.metrics;

import java.util.OptionalDouble;

/** Turns what a process has used so far into shares of its processors. Used by one thread. */
final class CpuShare {
    private static final double PERCENT = 100;

    private final int vcpus;
    private boolean hasBegun;
    private long lastElapsedNanos;
    private long lastCpuNanos;

    /**
     * @param vcpus how many processors are the whole
     */
    CpuShare(int vcpus) {
        this.vcpus = vcpus;
    }

    /**
     * The share since the measurement before, 0 to 100: a VMM has threads of its own beside its
     * processors, which do not count above the whole.
     *
     * @param elapsedNanos since any one time, the same for all measurements
     * @param cpuNanos used since the process started
     * @return empty for the first one, and where no time has passed
     */
    OptionalDouble next(long elapsedNanos, long cpuNanos) {
        long elapsed = elapsedNanos - lastElapsedNanos;
        long used = cpuNanos - lastCpuNanos;
        boolean isMeasured = hasBegun && elapsed > 0;
        hasBegun = true;
        lastElapsedNanos = elapsedNanos;
        lastCpuNanos = cpuNanos;
        return isMeasured
                ? OptionalDouble.of(
                        Math.clamp(PERCENT * used / ((double) elapsed * vcpus), 0, PERCENT))
                : OptionalDouble.empty();
    }
}
