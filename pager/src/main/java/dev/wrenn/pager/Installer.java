package dev.wrenn.pager;

import dev.wrenn.base.Resource;
import dev.wrenn.linux.Fd;
import dev.wrenn.linux.Uffd;
import dev.wrenn.linux.Uffd.Outcome;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.snapshot.PageSource.Run;
import java.lang.foreign.MemorySegment;

/**
 * Installs pages of a source into a VM's memory; one per thread.
 *
 * <p>The longest runs go in one call. Where a call stops short, because a page is there already or
 * the mapping is changing, the rest of that run goes page by page.
 */
final class Installer implements Resource {
    private static final int PAGE = PageSource.PAGE_BYTES;

    private final Uffd uffd;
    private final PageSource source;
    private final RemovedPages removed;
    private long copied;
    private long zeroed;
    private long present;

    Installer(Fd uffd, PageSource source, RemovedPages removed) {
        this.uffd = new Uffd(uffd);
        this.source = source;
        this.removed = removed;
    }

    /** How an installation ended. */
    enum End {
        /** Every page is there. */
        COMPLETE,
        /** The mapping was changing; the rest must be asked for again. */
        AGAIN,
        /** The VM is gone. */
        GONE
    }

    Uffd uffd() {
        return uffd;
    }

    long copiedPages() {
        return copied;
    }

    long zeroedPages() {
        return zeroed;
    }

    long presentPages() {
        return present;
    }

    /**
     * Makes a range of guest memory present.
     *
     * @param region the range lies in it
     * @param offset start within the memory image, page aligned
     * @param bytes whole pages
     */
    End install(MemoryRegion region, long offset, long bytes) {
        long at = offset;
        long end = offset + bytes;
        while (at < end) {
            int pages = (int) ((end - at) / PAGE);
            var run = next(at / PAGE, pages);
            var outcome = put(region.addressOf(at), run);
            long length = (long) run.pages() * PAGE;
            if (outcome != Outcome.DONE) {
                long done = outcome == Outcome.PARTIAL ? uffd.installedBytes() : 0;
                count(run, done / PAGE);
                var rest = onePageAtATime(region, at + done, at + length);
                if (rest != End.COMPLETE) {
                    return rest;
                }
            } else {
                count(run, run.pages());
            }
            at += length;
        }
        return End.COMPLETE;
    }

    private End onePageAtATime(MemoryRegion region, long from, long end) {
        for (long at = from; at < end; at += PAGE) {
            var run = next(at / PAGE, 1);
            switch (put(region.addressOf(at), run)) {
                case DONE, PARTIAL -> count(run, 1);
                case PRESENT -> present++;
                case AGAIN -> {
                    return End.AGAIN;
                }
                case GONE -> {
                    return End.GONE;
                }
            }
        }
        return End.COMPLETE;
    }

    private Run next(long page, int maxPages) {
        return removed.isEmpty()
                ? source.run(page, maxPages)
                : removed.contains(page) ? new Run.Zero(1) : source.run(page, 1);
    }

    private Outcome put(long address, Run run) {
        return switch (run) {
            case Run.Zero(int pages) -> uffd.zero(address, (long) pages * PAGE);
            case Run.Stored(int _, MemorySegment bytes) -> uffd.copy(address, bytes, true);
        };
    }

    private void count(Run run, long pages) {
        switch (run) {
            case Run.Zero _ -> zeroed += pages;
            case Run.Stored _ -> copied += pages;
        }
    }

    @Override
    public void close() {
        uffd.close();
    }
}
