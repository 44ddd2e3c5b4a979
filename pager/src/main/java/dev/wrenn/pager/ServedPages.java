package dev.wrenn.pager;

/**
 * What all page servers of a pager have done, those that have ended included; only grows.
 *
 * @param faults faults answered
 * @param copied pages copied to answer them
 * @param zero pages answered as zero
 * @param prefetched pages installed before anybody asked
 */
public record ServedPages(long faults, long copied, long zero, long prefetched) {
    static final ServedPages NONE = new ServedPages(0, 0, 0, 0);

    ServedPages plus(PagerStats stats) {
        return new ServedPages(
                faults + stats.faults(),
                copied + stats.copiedPages(),
                zero + stats.zeroPages(),
                prefetched + stats.prefetchedPages());
    }
}
