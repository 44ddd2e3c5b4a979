package dev.wrenn.host.capsule;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongSupplier;

/**
 * Who may use the room that is left for snapshots and disks. Thread-safe.
 *
 * <p>Capsules are started only while there is more than a reserve; the reserve is what those that
 * run are saved into. A save itself reserves what it is about to write, so that it fails at once,
 * with the capsule as it was, and not half way.
 */
final class DiskRoom {
    /** Device state, page map, manifest and what the file system needs for itself. */
    private static final long OVERHEAD_BYTES = ByteSize.mib(16).bytes();

    private final long reserveBytes;
    private final LongSupplier freeBytes;
    private final Object lock = new Object();

    @GuardedBy("lock")
    private long reservedBytes;

    /**
     * @param reserve kept for saving what runs
     * @param freeBytes what is free at the moment
     */
    DiskRoom(ByteSize reserve, LongSupplier freeBytes) {
        this.reserveBytes = reserve.bytes();
        this.freeBytes = freeBytes;
    }

    /** Fails with EXHAUSTED unless a capsule may be started. */
    void requireForStart() {
        long free = freeBytes.getAsLong();
        if (free < reserveBytes) {
            throw new WrennException(
                    Kind.EXHAUSTED,
                    "the disk is nearly full: %d MiB are left, which are kept for saving the capsules that run; delete checkpoints or capsules, or give it more room"
                            .formatted(free >> 20));
        }
    }

    /**
     * Reserves room for a save until the result is closed; EXHAUSTED if there is not that much.
     *
     * @param bytes that will be written, about
     */
    Resource reserve(long bytes) {
        long needed = bytes + OVERHEAD_BYTES;
        long free = freeBytes.getAsLong();
        synchronized (lock) {
            if (free - reservedBytes < needed) {
                throw new WrennException(
                        Kind.EXHAUSTED,
                        "the disk is full: saving needs about %d MiB, %d are left; the capsule goes on, delete checkpoints or capsules and try again"
                                .formatted(
                                        (needed >> 20) + 1,
                                        Math.max(0, free - reservedBytes) >> 20));
            }
            reservedBytes += needed;
        }
        var isOpen = new AtomicBoolean(true);
        return () -> {
            if (isOpen.compareAndSet(true, false)) {
                synchronized (lock) {
                    reservedBytes -= needed;
                }
            }
        };
    }

    /** What people should know of it; empty if all is well. */
    Optional<String> warning() {
        long free = freeBytes.getAsLong();
        if (free >= 2 * reserveBytes) {
            return Optional.empty();
        }
        return Optional.of(
                free < reserveBytes
                        ? "the disk is nearly full (%d MiB left): no capsule is started any more"
                                .formatted(free >> 20)
                        : "the disk fills up: %d MiB are left; below %d no capsule is started"
                                .formatted(free >> 20, reserveBytes >> 20));
    }

    long freeBytes() {
        return freeBytes.getAsLong();
    }
}
