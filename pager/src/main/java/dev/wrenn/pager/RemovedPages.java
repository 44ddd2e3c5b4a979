package dev.wrenn.pager;

import java.util.BitSet;

/**
 * Guest pages that the VM has given back since it was restored; they read as zero, whatever the
 * snapshot holds. Almost always empty: only a balloon gives pages back. Thread-safe.
 */
final class RemovedPages {
    private final BitSet pages = new BitSet();
    private volatile boolean any;

    boolean isEmpty() {
        return !any;
    }

    synchronized boolean contains(long page) {
        return pages.get(Math.toIntExact(page));
    }

    synchronized void add(long firstPage, long endPage) {
        pages.set(Math.toIntExact(firstPage), Math.toIntExact(endPage));
        any = true;
    }

    synchronized BitSet copy() {
        return (BitSet) pages.clone();
    }
}
