package dev.wrenn.pager;

import java.lang.foreign.MemorySegment;

/** Takes what a capture finds; each guest page at most once. */
public interface PageSink {
    /** Neighbouring guest pages as they are now; the bytes are valid during the call. */
    void pages(long firstPage, MemorySegment bytes);

    /** Neighbouring guest pages that read as zero now. */
    void zero(long firstPage, long count);
}
