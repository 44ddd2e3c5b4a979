package dev.wrenn.host.capsule;

import dev.wrenn.base.Resource;
import dev.wrenn.pager.PageSink;
import dev.wrenn.snapshot.PageSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Takes the changed pages of a frozen VM into memory, which is faster than comparing, summing and
 * writing them, so that the VM can run on while that is done. What does not fit goes straight to
 * where the rest goes later. Used by one thread.
 */
@SuppressWarnings("MustBeClosedChecker") // the arena lives as long as this object
final class PageCopy implements PageSink, Resource {
    private final PageSink target;
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment memory;
    private final List<Piece> pieces = new ArrayList<>();
    private long used;

    /** Neighbouring pages; zero if they are nowhere. */
    private sealed interface Piece {
        record Stored(long firstPage, long offset, long bytes) implements Piece {}

        record Zero(long firstPage, long count) implements Piece {}
    }

    /**
     * @param bytes room for pages; touched at once, so that the copy need not wait for it
     */
    PageCopy(long bytes, PageSink target) {
        this.target = target;
        this.memory = arena.allocate(Math.max(PageSource.PAGE_BYTES, bytes), PageSource.PAGE_BYTES);
    }

    @Override
    public void pages(long firstPage, MemorySegment bytes) {
        if (used + bytes.byteSize() > memory.byteSize()) {
            target.pages(firstPage, bytes);
            return;
        }
        MemorySegment.copy(bytes, 0, memory, used, bytes.byteSize());
        pieces.add(new Piece.Stored(firstPage, used, bytes.byteSize()));
        used += bytes.byteSize();
    }

    @Override
    public void zero(long firstPage, long count) {
        pieces.add(new Piece.Zero(firstPage, count));
    }

    /** Hands over what was taken. */
    void drain() {
        for (var piece : pieces) {
            switch (piece) {
                case Piece.Stored(long firstPage, long offset, long bytes) ->
                        target.pages(firstPage, memory.asSlice(offset, bytes));
                case Piece.Zero(long firstPage, long count) -> target.zero(firstPage, count);
            }
        }
        pieces.clear();
    }

    long copiedBytes() {
        return used;
    }

    @Override
    public void close() {
        arena.close();
    }
}
