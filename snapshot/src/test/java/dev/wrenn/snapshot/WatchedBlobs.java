package dev.wrenn.snapshot;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.snapshot.store.BlobName;
import dev.wrenn.snapshot.store.BlobStore;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/** A real blob store behind a line that counts, takes its time, and can be cut. */
final class WatchedBlobs implements BlobStore {
    final AtomicInteger reads = new AtomicInteger();
    final AtomicInteger puts = new AtomicInteger();

    /** How many more puts go through; then the line is cut for them. */
    final AtomicInteger putsLeft = new AtomicInteger(Integer.MAX_VALUE);

    /** How many of the next reads fail. */
    final AtomicInteger failingReads = new AtomicInteger();

    volatile Duration latency = Duration.ZERO;
    private final BlobStore target;

    WatchedBlobs(BlobStore target) {
        this.target = target;
    }

    private void travel() {
        if (!latency.isZero()) {
            LockSupport.parkNanos(latency.toNanos()); // what is measured here is waiting
        }
    }

    private void beforePut() {
        travel();
        if (putsLeft.getAndDecrement() <= 0) {
            throw new WrennException(Kind.UNAVAILABLE, "the line is cut");
        }
        puts.incrementAndGet();
    }

    @Override
    public void put(BlobName name, Path content) {
        beforePut();
        target.put(name, content);
    }

    @Override
    public void put(BlobName name, byte[] content) {
        beforePut();
        target.put(name, content);
    }

    @Override
    public boolean putIfAbsent(BlobName name, byte[] content) {
        beforePut();
        return target.putIfAbsent(name, content);
    }

    @Override
    public Optional<byte[]> get(BlobName name) {
        travel();
        return target.get(name);
    }

    @Override
    public void read(BlobName name, long offset, ByteBuffer bytes) {
        travel();
        reads.incrementAndGet();
        if (failingReads.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
            throw new WrennException(Kind.UNAVAILABLE, "the line is cut");
        }
        target.read(name, offset, bytes);
    }

    @Override
    public Optional<Long> size(BlobName name) {
        travel();
        return target.size(name);
    }

    @Override
    public Set<BlobName> list(String prefix) {
        travel();
        return target.list(prefix);
    }

    @Override
    public void delete(BlobName name) {
        target.delete(name);
    }

    @Override
    public String describe() {
        return target.describe();
    }

    @Override
    public void close() {
        target.close();
    }
}
