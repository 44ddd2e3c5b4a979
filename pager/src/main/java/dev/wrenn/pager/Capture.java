package dev.wrenn.pager;

import dev.wrenn.linux.Pagemap;
import dev.wrenn.linux.ProcessMemory;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.snapshot.PageSource.Run;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.Optional;

/**
 * Reads the memory of a stopped VM that may differ from what it was served.
 *
 * <p>For a restored VM these are the pages written since, and those mapped to the zero page where
 * the source holds bytes: such a page was given back by the VM. Where writes are not tracked, all
 * that is resident may have been written. For a VM that was booted, everything resident counts and
 * the rest is zero.
 *
 * @param pid the VMM
 * @param source absent for a VM that was booted
 * @param removed given back at some time; those that are mapped again speak for themselves
 * @param withAllZeroes whether zero pages are handed over even where the source is zero too
 */
record Capture(
        long pid,
        GuestMemory memory,
        Optional<PageSource> source,
        BitSet removed,
        boolean withAllZeroes) {
    private static final int PAGE = PageSource.PAGE_BYTES;
    private static final int CHUNK_BYTES = 1 << 20;

    void run(PageSink sink) {
        try (var arena = Arena.ofConfined();
                var vmm = new ProcessMemory(pid);
                var pagemap = Pagemap.of(pid)) {
            var buffer = arena.allocate(CHUNK_BYTES, PAGE);
            for (var region : memory.regions()) {
                long end = region.hostAddress() + region.sizeBytes();
                var found = new Found(region, vmm, buffer, sink);
                boolean isTracked =
                        source.isPresent() && pagemap.written(region.hostAddress(), end, found);
                if (!isTracked) {
                    pagemap.resident(region.hostAddress(), end, found);
                }
            }
        }
        for (int page = removed.nextSetBit(0); page >= 0; page = removed.nextSetBit(page)) {
            int end = removed.nextClearBit(page);
            sink.zero(page, end - page);
            page = end;
        }
    }

    /** About how much {@link #run} would hand over; the VM may run meanwhile. */
    long bytes() {
        var sum = new long[1];
        var counting =
                new Pagemap.Ranges() {
                    @Override
                    public void bytes(long startAddress, long endAddress) {
                        sum[0] += endAddress - startAddress;
                    }

                    @Override
                    public void zeroes(long startAddress, long endAddress) {
                        // costs nothing
                    }
                };
        try (var pagemap = Pagemap.of(pid)) {
            for (var region : memory.regions()) {
                long end = region.hostAddress() + region.sizeBytes();
                boolean isTracked =
                        source.isPresent() && pagemap.written(region.hostAddress(), end, counting);
                if (!isTracked) {
                    pagemap.resident(region.hostAddress(), end, counting);
                }
            }
        }
        return sum[0];
    }

    /** Takes the ranges of one region. */
    private final class Found implements Pagemap.Ranges {
        private final MemoryRegion region;
        private final ProcessMemory vmm;
        private final MemorySegment buffer;
        private final PageSink sink;

        Found(MemoryRegion region, ProcessMemory vmm, MemorySegment buffer, PageSink sink) {
            this.region = region;
            this.vmm = vmm;
            this.buffer = buffer;
            this.sink = sink;
        }

        @Override
        public void bytes(long startAddress, long endAddress) {
            removed.clear(pageOf(startAddress), pageOf(endAddress));
            for (long at = startAddress; at < endAddress; at += CHUNK_BYTES) {
                var chunk = buffer.asSlice(0, Math.min(CHUNK_BYTES, endAddress - at));
                vmm.read(at, chunk);
                sink.pages(pageOf(at), chunk);
            }
        }

        @Override
        public void zeroes(long startAddress, long endAddress) {
            if (source.isEmpty()) {
                return; // zero is what is not stored
            }
            int page = pageOf(startAddress);
            int end = pageOf(endAddress);
            removed.clear(page, end);
            if (withAllZeroes) {
                sink.zero(page, end - page);
                return;
            }
            while (page < end) {
                var run = source.get().run(page, end - page);
                if (run instanceof Run.Stored(int pages, MemorySegment _)) {
                    sink.zero(page, pages);
                }
                page += run.pages();
            }
        }

        private int pageOf(long address) {
            return Math.toIntExact(region.offsetOf(address) / PAGE);
        }
    }
}
