package dev.wrenn.pager;

import dev.wrenn.base.ByteSize;
import java.time.Duration;

/**
 * Settings of the pager.
 *
 * @param connectLimit how long a VMM may take to connect
 * @param fillsInBackground whether memory outside of the working set is loaded while the guest
 *     runs; off, an idle capsule keeps only what it has touched
 * @param fillPause rest between two pieces of the background fill, so that faults come first
 * @param recordingLimit most memory that a working set names
 */
public record PagerConfig(
        Duration connectLimit,
        boolean fillsInBackground,
        Duration fillPause,
        ByteSize recordingLimit) {
    /** What is used where nothing else is said. */
    public static final PagerConfig DEFAULTS =
            new PagerConfig(Duration.ofSeconds(30), false, Duration.ofMillis(2), ByteSize.mib(512));
}
