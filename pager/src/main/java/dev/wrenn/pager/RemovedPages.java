package dev.wrenn.pager;

import java.util.BitSet;

/**
 * Guest pages that the VM has given back and that do not read as zero in its page tables yet.
 *
 * <p>The page tables are the truth: as soon as the kernel has dropped a page, the fault loop maps
 * the zero page there, so that the fact survives the loop's process. Until then it is kept here.
 * Almost always empty: only a VM with a balloon gives pages back. Written by the fault loop, read
 * by a capture.
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
        any = !pages.isEmpty();
    }

    /** They are mapped again. */
    synchronized void clear(int firstPage, int endPage) {
        pages.clear(firstPage, endPage);
        any = !pages.isEmpty();
    }

    /** The first removed page from that one on, or -1. */
    synchronized int next(int page) {
        return pages.nextSetBit(page);
    }

    synchronized BitSet copy() {
        return (BitSet) pages.clone();
    }
}
