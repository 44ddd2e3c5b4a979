package dev.wrenn.host.capsule;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.host.HostTotals;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongSupplier;

/**
 * Who may use the machine's memory: a virtual machine starts only if its promise fits and there
 * really is memory left. Thread-safe.
 *
 * <p>A guest loads its memory lazily and shares what it only reads, so promises may exceed what is
 * there; the second check keeps that from ending in the kernel killing processes.
 */
final class MemoryRoom {
    /** What a VMM needs beside its guest's memory; translated code of QEMU is most of it. */
    private static final long VMM_BYTES = ByteSize.mib(64).bytes();

    /** What a VM needs before it answers: working set and VMM. */
    private static final long START_BYTES = ByteSize.mib(128).bytes();

    private final long promisableBytes;
    private final long reserveBytes;
    private final LongSupplier availableBytes;
    private final long copyLimitBytes;
    private final Object lock = new Object();

    @GuardedBy("lock")
    private long promisedBytes;

    @GuardedBy("lock")
    private long copyingBytes;

    /**
     * @param totalBytes of the machine
     * @param reserve kept for everything but guests
     * @param overcommit how many times the rest may be promised
     * @param availableBytes what is free or can be freed at the moment
     * @param copyLimit most memory for pages of checkpoints in the making
     */
    MemoryRoom(
            long totalBytes,
            ByteSize reserve,
            double overcommit,
            LongSupplier availableBytes,
            ByteSize copyLimit) {
        this.reserveBytes = reserve.bytes();
        this.promisableBytes = (long) (Math.max(0, totalBytes - reserve.bytes()) * overcommit);
        this.availableBytes = availableBytes;
        this.copyLimitBytes = copyLimit.bytes();
    }

    /**
     * Promises memory to a virtual machine until the result is closed.
     *
     * @throws WrennException EXHAUSTED, saying what is missing
     */
    Resource admit(ByteSize guestMemory) {
        long available = availableBytes.getAsLong();
        if (available < reserveBytes + START_BYTES) {
            throw new WrennException(
                    Kind.EXHAUSTED,
                    "the machine has %d MiB of memory left, of which %d are reserved; pause or destroy capsules first"
                            .formatted(available >> 20, reserveBytes >> 20));
        }
        long bytes = guestMemory.bytes() + VMM_BYTES;
        synchronized (lock) {
            if (promisedBytes + bytes > promisableBytes) {
                throw new WrennException(
                        Kind.EXHAUSTED,
                        "the machine's memory is promised: %d of %d MiB, and this needs %d; pause or destroy capsules first"
                                .formatted(
                                        promisedBytes >> 20, promisableBytes >> 20, bytes >> 20));
            }
            promisedBytes += bytes;
        }
        return givenBack(() -> promise(-bytes));
    }

    /** The same for a VM that runs already, whatever it takes. */
    Resource admitRunning(ByteSize guestMemory) {
        long bytes = guestMemory.bytes() + VMM_BYTES;
        promise(bytes);
        return givenBack(() -> promise(-bytes));
    }

    /** Lends that much for a copy of pages, or less if others copy too. */
    Loan lend(long wantedBytes) {
        synchronized (lock) {
            long bytes = Math.max(0, Math.min(wantedBytes, copyLimitBytes - copyingBytes));
            copyingBytes += bytes;
            return new Loan(bytes, givenBack(() -> endCopy(bytes)));
        }
    }

    /** Memory for a while. */
    record Loan(long bytes, Resource end) implements Resource {
        @Override
        public void close() {
            end.close();
        }
    }

    /** What people should know of it; empty if all is well. */
    Optional<String> warning() {
        long available = availableBytes.getAsLong();
        return available >= 2 * reserveBytes
                ? Optional.empty()
                : Optional.of(
                        "%d MiB of memory are left; below %d no capsule is started"
                                .formatted(available >> 20, (reserveBytes + START_BYTES) >> 20));
    }

    /** What all that is admitted may use at most, VMMs included. */
    long promisedBytes() {
        synchronized (lock) {
            return promisedBytes;
        }
    }

    /** The numbers behind it. */
    HostTotals.Memory read() {
        return new HostTotals.Memory(
                availableBytes.getAsLong(), reserveBytes, promisedBytes(), promisableBytes);
    }

    private void promise(long bytes) {
        synchronized (lock) {
            promisedBytes += bytes;
        }
    }

    private void endCopy(long bytes) {
        synchronized (lock) {
            copyingBytes -= bytes;
        }
    }

    private static Resource givenBack(Runnable change) {
        var isOpen = new AtomicBoolean(true);
        return () -> {
            if (isOpen.compareAndSet(true, false)) {
                change.run();
            }
        };
    }
}
