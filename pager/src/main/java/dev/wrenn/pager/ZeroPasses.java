package dev.wrenn.pager;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.Uffd;
import dev.wrenn.linux.Uffd.Outcome;
import dev.wrenn.snapshot.PageSource;
import java.time.Duration;
import java.util.BitSet;

/**
 * Maps the zero page where the VM has given pages back, so that its page tables tell of it when
 * this process has died. A hint to a later page server and no more: this one remembers by itself.
 *
 * <p>The kernel drops the pages some time after it has told us and does not say when. So every page
 * is tried in several passes, further and further apart; pages that stay (MADV_FREE) are left
 * alone. Used by the fault loop.
 */
final class ZeroPasses {
    private static final int PAGE = PageSource.PAGE_BYTES;
    private static final int PIECE_PAGES = 512;
    private static final long[] DELAYS_NANOS = {
        Duration.ofMillis(1).toNanos(),
        Duration.ofMillis(10).toNanos(),
        Duration.ofMillis(100).toNanos(),
        Duration.ofSeconds(1).toNanos()
    };

    private final GuestMemory memory;
    private final Uffd uffd;
    private final Stopwatch watch = Stopwatch.start();
    private final BitSet pages = new BitSet(); // of the removals that are not settled yet
    private int pass;
    private int at;
    private long dueNanos;
    private boolean isLate; // something was removed since the passes began

    ZeroPasses(GuestMemory memory, Uffd uffd) {
        this.memory = memory;
        this.uffd = uffd;
    }

    void add(int firstPage, int endPage) {
        if (pages.isEmpty()) {
            startOver();
        } else {
            isLate = true;
        }
        pages.set(firstPage, endPage);
    }

    private void startOver() {
        pass = 0;
        at = 0;
        isLate = false;
        dueNanos = watch.elapsedNanos() + DELAYS_NANOS[0];
    }

    /** Whether nothing is left to do. */
    boolean isSettled() {
        return pages.isEmpty();
    }

    /** How long until there is something to do; only if it is not settled. */
    long waitNanos() {
        return Math.max(0, dueNanos - watch.elapsedNanos());
    }

    /**
     * Goes on by one piece.
     *
     * @return false if the VM is gone
     */
    boolean step() {
        int page = pages.nextSetBit(at);
        if (page < 0) {
            endPass();
            return true;
        }
        var region = regionOf(page);
        int end = Math.min(pages.nextClearBit(page), (int) (region.endOffset() / PAGE));
        int count = Math.min(PIECE_PAGES, end - page);
        Outcome outcome = uffd.zero(region.addressOf((long) page * PAGE), (long) count * PAGE);
        switch (outcome) {
            case DONE -> at = page + count;
            case PARTIAL -> at = page + (int) (uffd.installedBytes() / PAGE);
            case PRESENT -> at = page + 1;
            case AGAIN, UNTRACKED -> dueNanos = watch.elapsedNanos() + DELAYS_NANOS[0];
            case GONE -> {
                return false;
            }
        }
        return true;
    }

    private void endPass() {
        pass++;
        at = 0;
        if (pass < DELAYS_NANOS.length) {
            dueNanos = watch.elapsedNanos() + DELAYS_NANOS[pass];
        } else if (isLate) {
            startOver();
        } else {
            pages.clear();
        }
    }

    private MemoryRegion regionOf(int page) {
        for (var region : memory.regions()) {
            if ((long) page * PAGE < region.endOffset()) {
                return region;
            }
        }
        throw new WrennException(Kind.BUG, "a removed page lies in no region");
    }
}
