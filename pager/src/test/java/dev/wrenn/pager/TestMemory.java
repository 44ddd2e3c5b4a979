package dev.wrenn.pager;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.testkit.Cases.Case;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;

/**
 * A memory of holes and stored runs whose places in the "layer" are shuffled; every stored page
 * starts with a byte that is not zero.
 */
final class TestMemory implements PageSource, Resource {
    private final int[] slots; // place of each page in the layer, -1 for a hole
    private final Arena arena = Arena.ofShared();
    private final MemorySegment layer;
    private volatile int damagedPage = -1;

    private TestMemory(int[] slots, Random random) {
        this.slots = slots;
        int stored = (int) Arrays.stream(slots).filter(s -> s >= 0).count();
        layer = arena.allocate((long) Math.max(1, stored) * PAGE_BYTES, PAGE_BYTES);
        var page = new byte[PAGE_BYTES];
        for (int slot = 0; slot < stored; slot++) {
            random.nextBytes(page);
            page[0] |= 1;
            MemorySegment.copy(
                    page, 0, layer, ValueLayout.JAVA_BYTE, (long) slot * PAGE_BYTES, PAGE_BYTES);
        }
    }

    /** Runs of up to that many pages, about half of them holes. */
    static TestMemory random(Case source, int pages, int longestRun) {
        var slots = new int[pages];
        int slot = 0;
        int page = 0;
        while (page < pages) {
            int length = Math.min(pages - page, source.between(1, longestRun));
            if (source.oneIn(2)) {
                Arrays.fill(slots, page, page + length, -1);
            } else {
                // Gaps in neither direction would make neighbouring runs one: swap them in pairs.
                for (int i = 0; i < length; i++) {
                    slots[page + i] = slot++;
                }
            }
            page += length;
        }
        return new TestMemory(slots, source.random());
    }

    /** All pages stored, in order. */
    static TestMemory full(int pages) {
        var slots = new int[pages];
        Arrays.setAll(slots, i -> i);
        return new TestMemory(slots, new Random(pages));
    }

    /** Pages for which the index is odd in units of that many pages are holes. */
    static TestMemory striped(int pages, int stripe) {
        var slots = new int[pages];
        int slot = 0;
        for (int i = 0; i < pages; i++) {
            slots[i] = i / stripe % 2 == 0 ? slot++ : -1;
        }
        return new TestMemory(slots, new Random(pages));
    }

    /** From now on that page cannot be read. */
    TestMemory damaged(int page) {
        damagedPage = page;
        return this;
    }

    void mend() {
        damagedPage = -1;
    }

    boolean isHole(int page) {
        return slots[page] < 0;
    }

    byte[] bytes(int page) {
        return isHole(page)
                ? new byte[PAGE_BYTES]
                : layer.asSlice((long) slots[page] * PAGE_BYTES, PAGE_BYTES)
                        .toArray(ValueLayout.JAVA_BYTE);
    }

    byte[] bytes(int firstPage, int count) {
        var all = new byte[count * PAGE_BYTES];
        for (int i = 0; i < count; i++) {
            System.arraycopy(bytes(firstPage + i), 0, all, i * PAGE_BYTES, PAGE_BYTES);
        }
        return all;
    }

    int firstByte(int page) {
        return bytes(page)[0] & 0xff;
    }

    @Override
    public long pageCount() {
        return slots.length;
    }

    @Override
    public Run run(long page, int maxPages) {
        int first = (int) page;
        int count = 1;
        while (count < maxPages && first + count < slots.length && continues(first, count)) {
            count++;
        }
        if (damagedPage >= first && damagedPage < first + count) {
            throw new WrennException(Kind.CORRUPT, "page " + damagedPage + " is damaged");
        }
        return isHole(first)
                ? new Run.Zero(count)
                : new Run.Stored(
                        count,
                        layer.asSlice((long) slots[first] * PAGE_BYTES, (long) count * PAGE_BYTES));
    }

    private boolean continues(int first, int count) {
        int next = slots[first + count];
        return isHole(first) ? next < 0 : next == slots[first] + count;
    }

    @Override
    public void close() {
        arena.close();
    }
}
