package dev.wrenn.snapshot;

import dev.wrenn.base.Resource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Collects the memory pages of a new snapshot: stores what differs from the parent, remembers what
 * became zero, drops what is equal.
 *
 * <p>A page that is all zero now is a change like any other unless the parent has it zero too;
 * taking it for unchanged would bring freed memory back. Used by one thread.
 */
@SuppressWarnings("MustBeClosedChecker") // the arena lives as long as this object
public final class LayerWriter implements Resource {
    private final LayerOutput output;
    private final Optional<MemoryImage> parent;
    private final int pageCount;
    private final int layerIndex;
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment zeroes = arena.allocate(PageSource.PAGE_BYTES);
    private final List<PageMap.Run> changes = new ArrayList<>();
    private boolean closed;

    LayerWriter(Path file, Optional<MemoryImage> parent, int pageCount, int layerIndex) {
        this.output = new LayerOutput(file);
        this.parent = parent;
        this.pageCount = pageCount;
        this.layerIndex = layerIndex;
    }

    /**
     * Guest pages as they are now.
     *
     * @param firstPage guest page of the first; each page is given once at most
     * @param bytes whole pages
     */
    public void pages(long firstPage, MemorySegment bytes) {
        int count = Math.toIntExact(bytes.byteSize() / PageSource.PAGE_BYTES);
        int page = Math.toIntExact(firstPage);
        if (page < 0 || page + count > pageCount) {
            throw new IllegalArgumentException("page " + page + " is outside of the memory");
        }
        compare(page, count, bytes);
    }

    /** Goes through the pages along the runs of the parent. */
    private void compare(int page, int count, MemorySegment bytes) {
        int done = 0;
        while (done < count) {
            var run =
                    parent.isPresent()
                            ? parent.get().run(page + done, count - done)
                            : new PageSource.Run.Zero(count - done);
            for (int i = 0; i < run.pages(); i++) {
                var now = page(bytes, done + i);
                boolean zero = now.mismatch(zeroes) == -1;
                switch (run) {
                    case PageSource.Run.Zero _ -> {
                        if (!zero) {
                            store(page + done + i, now);
                        }
                    }
                    case PageSource.Run.Stored(int _, MemorySegment old) -> {
                        if (zero) {
                            becameZero(page + done + i, 1);
                        } else if (now.mismatch(page(old, i)) != -1) {
                            store(page + done + i, now);
                        }
                    }
                }
            }
            done += run.pages();
        }
    }

    /** Guest pages that read as zero now. */
    public void zero(long firstPage, long count) {
        if (parent.isEmpty()) {
            return; // zero is what is not stored
        }
        int page = Math.toIntExact(firstPage);
        int end = Math.toIntExact(firstPage + count);
        while (page < end) {
            var run = parent.get().run(page, end - page);
            if (run instanceof PageSource.Run.Stored) {
                becameZero(page, run.pages());
            }
            page += run.pages();
        }
    }

    private void becameZero(int page, int count) {
        extend(page, count, PageMap.ZERO, 0);
    }

    private void store(int page, MemorySegment now) {
        extend(page, 1, layerIndex, output.append(now));
    }

    private void extend(int page, int count, int layer, int layerPage) {
        if (!changes.isEmpty()) {
            var last = changes.getLast();
            boolean continues =
                    layer == PageMap.ZERO || last.layerPage() + last.pages() == layerPage;
            if (last.end() == page && last.layer() == layer && continues) {
                changes.set(
                        changes.size() - 1,
                        new PageMap.Run(
                                last.page(), last.pages() + count, layer, last.layerPage()));
                return;
            }
        }
        changes.add(new PageMap.Run(page, count, layer, layerPage));
    }

    /** Pages stored so far. */
    public int storedPages() {
        return output.pages();
    }

    /** What the layer holds, once it is complete and on disk. */
    record Finished(LayerOutput.Finished layer, List<PageMap.Run> changes) {}

    Finished finish() {
        return new Finished(output.finish(), List.copyOf(changes));
    }

    private static MemorySegment page(MemorySegment bytes, long index) {
        return bytes.asSlice(index * PageSource.PAGE_BYTES, PageSource.PAGE_BYTES);
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            arena.close();
            output.close();
        }
    }
}
