package dev.wrenn.host.capsule;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.host.HostTotals;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Who may use the room that is left for snapshots and disks. Thread-safe.
 *
 * <p>Capsules are started only while there is room to save all that run and a reserve beside; so
 * what is refused first is a new one, and never the pause of one that has work to lose. A save
 * itself reserves what it is about to write, so that it fails at once, with the capsule as it was,
 * and not half way.
 */
final class DiskRoom {
    /** Device state, page map, manifest and what the file system needs for itself. */
    private static final long OVERHEAD_BYTES = ByteSize.mib(16).bytes();

    private static final String READ_ONLY =
            "the data volume is read-only; see the kernel's log, and mount it read-write again";

    private final long reserveBytes;
    private final Source source;
    private final Object lock = new Object();

    @GuardedBy("lock")
    private long reservedBytes;

    /** Where the numbers of the moment come from. */
    interface Source {
        /** Room on the volume, used or not. */
        long totalBytes();

        /** What is free of it. */
        long freeBytes();

        /** Whether nothing can be written to it. */
        boolean isReadOnly();

        /** What saving all that runs would write, as far as that is known. */
        long unsavedBytes();

        /** The most that can be, which costs nothing to know. */
        long mostUnsavedBytes();
    }

    /**
     * @param reserve kept beside what saving all that runs takes
     */
    DiskRoom(ByteSize reserve, Source source) {
        this.reserveBytes = reserve.bytes();
        this.source = source;
    }

    /** Fails with EXHAUSTED or UNAVAILABLE unless a capsule may be started. */
    void requireForStart() {
        requireWritable();
        long free = source.freeBytes();
        if (free >= reserveBytes + source.mostUnsavedBytes()) {
            return;
        }
        long unsaved = source.unsavedBytes();
        if (free < reserveBytes + unsaved) {
            throw new WrennException(
                    Kind.EXHAUSTED,
                    "the disk is nearly full: %d MiB are left, of which %d are kept for saving what runs, and %d in reserve; delete checkpoints or capsules, or give it more room"
                            .formatted(free >> 20, unsaved >> 20, reserveBytes >> 20));
        }
    }

    private void requireWritable() {
        if (source.isReadOnly()) {
            throw new WrennException(Kind.UNAVAILABLE, READ_ONLY);
        }
    }

    /**
     * Reserves room for a save until the result is closed; EXHAUSTED if there is not that much,
     * UNAVAILABLE if nothing can be written.
     *
     * @param bytes that will be written, about
     */
    Resource reserve(long bytes) {
        requireWritable();
        long needed = bytes + OVERHEAD_BYTES;
        long free = source.freeBytes();
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
        if (source.isReadOnly()) {
            return Optional.of(READ_ONLY + "; until then nothing can be saved or started");
        }
        long free = source.freeBytes();
        if (free >= 2 * reserveBytes + source.mostUnsavedBytes()) {
            return Optional.empty();
        }
        long unsaved = source.unsavedBytes();
        long needed = reserveBytes + unsaved;
        if (free >= reserveBytes + needed) {
            return Optional.empty();
        }
        return Optional.of(
                free < needed
                        ? "the disk is nearly full (%d MiB left, saving what runs takes %d): no capsule is started below %d"
                                .formatted(free >> 20, unsaved >> 20, needed >> 20)
                        : "the disk fills up: %d MiB are left; below %d no capsule is started"
                                .formatted(free >> 20, needed >> 20));
    }

    /** The numbers behind it. */
    HostTotals.Disk read() {
        return new HostTotals.Disk(
                source.totalBytes(), source.freeBytes(), reserveBytes, source.unsavedBytes());
    }
}
