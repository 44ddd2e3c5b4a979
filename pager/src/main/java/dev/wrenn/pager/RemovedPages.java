package dev.wrenn.pager;

import java.util.BitSet;

/**
 * Guest pages that the VM has given back at some time: whatever the snapshot holds there, from then
 * on they start as zero. They stay here even once the zero page is mapped, because the kernel drops
 * a page at some moment after it has told us, and may drop what was just mapped. Almost always
 * empty: only a VM with a balloon gives pages back. Written by the fault loop, read by a capture.
 */
final class RemovedPages {
    private final BitSet pages = new BitSet();
    private volatile boolean any;

    boolean isEmpty() {
        return !any;
    }

    synchronized boolean contains(int page) {
        return pages.get(page);
    }

    /** How many pages from that one on are all removed or all not, at most the limit. */
    synchronized int sameFor(int page, int limit) {
        int change = pages.get(page) ? pages.nextClearBit(page) : pages.nextSetBit(page);
        return change < 0 ? limit : Math.min(limit, change - page);
    }

    synchronized void add(int firstPage, int endPage) {
        pages.set(firstPage, endPage);
        any = true;
    }

    synchronized BitSet copy() {
        return (BitSet) pages.clone();
    }
}
