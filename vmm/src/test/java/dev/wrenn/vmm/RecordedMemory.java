package dev.wrenn.vmm;

import dev.wrenn.pager.PageSink;
import dev.wrenn.snapshot.PageSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CountDownLatch;

/** Guest memory that was captured, to be served again; can be made to stop answering. */
public final class RecordedMemory implements PageSource, PageSink, AutoCloseable {
    private final Arena arena = Arena.ofShared();
    private final MemorySegment bytes;
    private final boolean[] isStored;
    private volatile CountDownLatch gate = new CountDownLatch(0);

    /** Of that size, all of it zero. */
    public RecordedMemory(long sizeBytes) {
        this.bytes = arena.allocate(sizeBytes, PAGE_BYTES);
        this.isStored = new boolean[Math.toIntExact(sizeBytes / PAGE_BYTES)];
    }

    /** From now on nobody gets a page. */
    void block() {
        gate = new CountDownLatch(1);
    }

    void unblock() {
        gate.countDown();
    }

    @Override
    public void pages(long firstPage, MemorySegment found) {
        bytes.asSlice(firstPage * PAGE_BYTES, found.byteSize()).copyFrom(found);
        for (long page = 0; page < found.byteSize() / PAGE_BYTES; page++) {
            isStored[Math.toIntExact(firstPage + page)] = true;
        }
    }

    @Override
    public void zero(long firstPage, long count) {
        for (long page = firstPage; page < firstPage + count; page++) {
            isStored[Math.toIntExact(page)] = false;
        }
    }

    @Override
    public long pageCount() {
        return isStored.length;
    }

    @Override
    public Run run(long page, int maxPages) {
        try {
            gate.await();
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
        int first = Math.toIntExact(page);
        int end = first + 1;
        while (end < isStored.length
                && end - first < maxPages
                && isStored[end] == isStored[first]) {
            end++;
        }
        return isStored[first]
                ? new Run.Stored(
                        end - first,
                        bytes.asSlice(page * PAGE_BYTES, (long) (end - first) * PAGE_BYTES))
                : new Run.Zero(end - first);
    }

    @Override
    public void close() {
        arena.close();
    }
}
