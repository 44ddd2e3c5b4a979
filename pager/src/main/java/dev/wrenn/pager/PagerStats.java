package dev.wrenn.pager;

/**
 * What a page server has done so far.
 *
 * @param faults faults answered
 * @param copiedPages pages copied to answer them
 * @param zeroPages pages answered as zero
 * @param prefetchedPages pages installed before anybody asked
 * @param duplicates faults for a page that was there already
 * @param serviceP50Nanos half of the faults were answered within
 * @param serviceP99Nanos all but one in a hundred were answered within
 * @param serviceMaxNanos the slowest
 */
public record PagerStats(
        long faults,
        long copiedPages,
        long zeroPages,
        long prefetchedPages,
        long duplicates,
        long serviceP50Nanos,
        long serviceP99Nanos,
        long serviceMaxNanos) {}
