package dev.wrenn.pager;

/** Counts of a fault loop: published by it, read by anyone, allocating nothing. */
final class PagerCounters {
    private final ServiceTimes times = new ServiceTimes();
    private volatile long faults;
    private volatile long copiedPages;
    private volatile long zeroPages;
    private volatile long prefetchedPages;
    private volatile long duplicates;

    ServiceTimes times() {
        return times;
    }

    void publish(long faultsNow, long copied, long zeroed, long prefetched, long duplicate) {
        faults = faultsNow;
        copiedPages = copied;
        zeroPages = zeroed;
        prefetchedPages = prefetched;
        duplicates = duplicate;
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
