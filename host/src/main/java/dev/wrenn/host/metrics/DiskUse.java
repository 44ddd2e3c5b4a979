package dev.wrenn.host.metrics;

import dev.wrenn.disk.Disks;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;

/**
 * What the disk of a run takes. Looking at all its extents is not for twice a second, so it is done
 * now and then, and only as long as something is written. Used by one thread.
 */
final class DiskUse {
    private static final Duration INTERVAL = Duration.ofSeconds(10);

    /** The kernel gives what was written its place within 30 s (dirty_expire_centisecs). */
    private static final Duration SETTLING = Duration.ofSeconds(60);

    private final Disks disks;
    private final MeasuredRun run;
    private long bytes;
    private Instant lastLook = Instant.MIN;

    DiskUse(Disks disks, MeasuredRun run) {
        this.disks = disks;
        this.run = run;
    }

    /** What is known at that time. */
    long bytes(Instant now) throws IOException {
        if (lastLook.equals(Instant.MIN) || now.isAfter(lastLook.plus(INTERVAL))) {
            var written = Files.getLastModifiedTime(run.disk()).toInstant();
            if (lastLook.isBefore(written.plus(SETTLING))) {
                bytes = disks.bytesBeside(run.disk(), run.origin().get());
            }
            lastLook = now;
        }
        return bytes;
    }
}
