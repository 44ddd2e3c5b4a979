package dev.wrenn.control.build;

import java.time.Duration;

/**
 * Settings of builds.
 *
 * @param workers how many run at the same time in this process
 * @param lease how long a worker may be silent before another one takes its build
 * @param poll how often a free worker looks for one
 * @param attempts how many workers may fail to be heard of again before the build is given up
 * @param unfinishedPerTeam most builds of a team that wait or run
 * @param retryAfter how long a stock template that could not be made is not tried again
 * @param cacheFrom steps that take less are not worth a state of their own in the cache
 * @param cacheBytes most that cached states take
 * @param cacheAge how long a state is kept that no build uses
 * @param maxArchiveBytes longest archive
 */
public record BuildConfig(
        int workers,
        Duration lease,
        Duration poll,
        int attempts,
        int unfinishedPerTeam,
        Duration retryAfter,
        Duration cacheFrom,
        long cacheBytes,
        Duration cacheAge,
        long maxArchiveBytes) {
    /** What is used where nothing else is said. */
    public static final BuildConfig DEFAULTS =
            new BuildConfig(
                    2,
                    Duration.ofSeconds(30),
                    Duration.ofMillis(500),
                    3,
                    20,
                    Duration.ofMinutes(1),
                    Duration.ofSeconds(1),
                    10L << 30,
                    Duration.ofDays(7),
                    100L << 20);

    /** Checks ranges. */
    public BuildConfig {
        if (workers < 1 || attempts < 1 || unfinishedPerTeam < 1) {
            throw new IllegalArgumentException("workers, attempts and builds must be at least 1");
        }
        if (lease.compareTo(poll) <= 0) {
            throw new IllegalArgumentException("the lease must be longer than the poll interval");
        }
    }
}
