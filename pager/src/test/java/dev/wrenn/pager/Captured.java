package dev.wrenn.pager;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.snapshot.PageSource;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.TreeMap;
import java.util.TreeSet;

/** Keeps what a capture hands over, and demands that no page comes twice. */
final class Captured implements PageSink {
    private static final int PAGE = PageSource.PAGE_BYTES;

    final TreeMap<Integer, byte[]> written = new TreeMap<>();
    final TreeSet<Integer> zeroed = new TreeSet<>();

    static Captured of(PageServer server) {
        var captured = new Captured();
        server.capture(captured);
        return captured;
    }

    @Override
    public void pages(long firstPage, MemorySegment bytes) {
        for (int i = 0; i < bytes.byteSize() / PAGE; i++) {
            int page = (int) firstPage + i;
            assertThat(zeroed).doesNotContain(page);
            var page4k = bytes.asSlice((long) i * PAGE, PAGE).toArray(ValueLayout.JAVA_BYTE);
            assertThat(written.put(page, page4k)).as("page %d comes once", page).isNull();
        }
    }

    @Override
    public void zero(long firstPage, long count) {
        for (int i = 0; i < count; i++) {
            int page = (int) firstPage + i;
            assertThat(written).doesNotContainKey(page);
            assertThat(zeroed.add(page)).as("page %d comes once", page).isTrue();
        }
    }
}
