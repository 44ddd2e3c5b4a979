package dev.wrenn.pager;

import dev.wrenn.base.Resource;
import dev.wrenn.linux.Fd;
import dev.wrenn.linux.Uffd;
import dev.wrenn.linux.Uffd.Outcome;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.snapshot.PageSource.Run;
import java.lang.foreign.MemorySegment;

/**
 * Installs pages of a source into a VM's memory, the longest runs in one call. Where a page is
 * there already it goes on behind that page. Used by the fault loop only.
 */
final class Installer implements Resource {
    private static final int PAGE = PageSource.PAGE_BYTES;

    private final Uffd uffd;
    private final PageSource source;
    private final RemovedPages removed;
    private boolean tracked = true;
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

    /** How often a page was there already. */
    long presentPages() {
        return present;
    }

    /**
     * Makes a range of guest memory present.
     *
     * @param region the range lies in it
     * @param firstPage guest page
     * @param count how many
     */
    End install(MemoryRegion region, int firstPage, int count) {
        int page = firstPage;
        int end = firstPage + count;
        while (page < end) {
            var run = next(page, end - page);
            switch (put(region.addressOf((long) page * PAGE), run)) {
                case DONE -> page = installed(run, page, run.pages());
                case PARTIAL -> page = installed(run, page, (int) (uffd.installedBytes() / PAGE));
                case PRESENT -> {
                    present++;
                    page++;
                }
                // A VMM that finds dirty pages its own way (Firecracker) registers for missing
                // pages only. It does so once, so this happens once.
                case UNTRACKED -> tracked = false;
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

    /** Counts what was installed from that page on; returns the page behind it. */
    private int installed(Run run, int page, int pages) {
        switch (run) {
            case Run.Zero _ -> zeroed += pages;
            case Run.Stored _ -> copied += pages;
        }
        return page + pages;
    }

    private Run next(int page, int maxPages) {
        if (removed.isEmpty()) {
            return source.run(page, maxPages);
        }
        int same = removed.sameFor(page, maxPages);
        return removed.contains(page) ? new Run.Zero(same) : source.run(page, same);
    }

    private Outcome put(long address, Run run) {
        return switch (run) {
            case Run.Zero(int pages) -> uffd.zero(address, (long) pages * PAGE);
            case Run.Stored(int _, MemorySegment bytes) -> uffd.copy(address, bytes, tracked);
        };
    }

    @Override
    public void close() {
        uffd.close();
    }
}
