package dev.wrenn.snapshot;

import java.lang.foreign.MemorySegment;

/** What a guest's memory holds, by guest page. Thread-safe. */
public interface PageSource {
    /** Size of a page. */
    int PAGE_BYTES = 4096;

    /** Number of guest pages. */
    long pageCount();

    /**
     * The longest run from that page on that is all zero or lies contiguous in one layer.
     *
     * @param page first guest page
     * @param maxPages upper limit of the run, at least 1
     * @return its bytes are verified
     * @throws SnapshotCorrupt if stored bytes are not what was written
     */
    Run run(long page, int maxPages);

    /** Pages that can be installed in one go. */
    sealed interface Run {
        /** How many. */
        int pages();

        /** Pages of zeroes. */
        record Zero(int pages) implements Run {}

        /** Stored pages; the bytes are valid as long as the source is open. */
        record Stored(int pages, MemorySegment bytes) implements Run {}
    }
}
