package dev.wrenn.pager;

/** Counts of a fault loop: published by it, read by anyone, allocating nothing. */
final class PagerCounters {
    private final ServiceTimes times = new ServiceTimes();
    private volatile long faults;
    private volatile long copiedPages;
    private volatile long zeroPages;
    private volatile long prefetchedPages;
    private volatile long duplicates;
    private volatile boolean isSettled = true;

    ServiceTimes times() {
        return times;
    }

    void publish(
            long faultsNow,
            long copied,
            long zeroed,
            long prefetched,
            long duplicate,
            boolean settled) {
        faults = faultsNow;
        copiedPages = copied;
        zeroPages = zeroed;
        prefetchedPages = prefetched;
        duplicates = duplicate;
        isSettled = settled;
    }

    /** Whether the VM's page tables show all pages it gave back as zero, as far as can be. */
    boolean isSettled() {
        return isSettled;
    }

    PagerStats read() {
        return new PagerStats(
                faults,
                copiedPages,
                zeroPages,
                prefetchedPages,
                duplicates,
                times.quantileNanos(0.5),
                times.quantileNanos(0.99),
                times.maxNanos());
    }
}
