package dev.wrenn.pager;

import dev.wrenn.linux.Pagemap;
import dev.wrenn.linux.ProcessMemory;
import dev.wrenn.snapshot.PageSource;
import java.lang.foreign.Arena;
import java.util.BitSet;
import java.util.List;

/**
 * Reads the memory of a stopped VM that may differ from what it was served: for a restored VM the
 * pages written since, for a booted one all that is resident.
 */
record Capture(long pid, List<MemoryRegion> regions, boolean restored) {
    private static final int PAGE = PageSource.PAGE_BYTES;
    private static final int CHUNK_BYTES = 1 << 20;

    void run(PageSink sink, BitSet removed) {
        try (var arena = Arena.ofConfined();
                var memory = new ProcessMemory(pid);
                var pagemap = Pagemap.of(pid)) {
            var buffer = arena.allocate(CHUNK_BYTES, PAGE);
            for (var region : regions) {
                long end = region.hostAddress() + region.sizeBytes();
                Pagemap.Ranges ranges =
                        (from, to) -> {
                            for (long at = from; at < to; at += CHUNK_BYTES) {
                                var chunk = buffer.asSlice(0, Math.min(CHUNK_BYTES, to - at));
                                memory.read(at, chunk);
                                long page = region.offsetOf(at) / PAGE;
                                removed.clear(
                                        Math.toIntExact(page),
                                        Math.toIntExact(page + chunk.byteSize() / PAGE));
                                sink.pages(page, chunk);
                            }
                        };
                if (restored) {
                    pagemap.written(region.hostAddress(), end, ranges);
                } else {
                    pagemap.resident(region.hostAddress(), end, ranges);
                }
            }
        }
        // What was given back and not written again reads as zero.
        for (int page = removed.nextSetBit(0); page >= 0; page = removed.nextSetBit(page)) {
            int end = removed.nextClearBit(page);
            sink.zero(page, end - page);
            page = end;
        }
    }
}
