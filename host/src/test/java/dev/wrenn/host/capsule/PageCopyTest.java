package dev.wrenn.host.capsule;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.pager.PageSink;
import dev.wrenn.snapshot.PageSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class PageCopyTest {
    private static final int PAGE = PageSource.PAGE_BYTES;
    private final List<String> taken = new ArrayList<>();
    private final PageSink target =
            new PageSink() {
                @Override
                public void pages(long firstPage, MemorySegment bytes) {
                    for (int i = 0; i < bytes.byteSize() / PAGE; i++) {
                        taken.add(
                                firstPage
                                        + i
                                        + "="
                                        + bytes.get(ValueLayout.JAVA_BYTE, (long) i * PAGE));
                    }
                }

                @Override
                public void zero(long firstPage, long count) {
                    taken.add(firstPage + "..." + (firstPage + count) + "=zero");
                }
            };

    @Test
    void pages_come_out_as_they_were_when_they_went_in() {
        try (var arena = Arena.ofConfined();
                var copy = new PageCopy(4 * PAGE, target)) {
            var page = arena.allocate(PAGE);
            page.set(ValueLayout.JAVA_BYTE, 0, (byte) 1);
            copy.pages(7, page);
            copy.zero(9, 3);
            page.set(ValueLayout.JAVA_BYTE, 0, (byte) 2);
            copy.pages(8, page);
            page.set(ValueLayout.JAVA_BYTE, 0, (byte) 3);
            assertThat(taken).isEmpty();

            copy.drain();

            assertThat(taken).containsExactly("7=1", "9...12=zero", "8=2");
        }
    }

    @Test
    void what_does_not_fit_goes_straight_on() {
        try (var arena = Arena.ofConfined();
                var copy = new PageCopy(2 * PAGE, target)) {
            var page = arena.allocate(PAGE);
            copy.pages(1, page);
            copy.pages(2, arena.allocate(2 * PAGE));
            copy.pages(4, page);

            assertThat(taken).containsExactly("2=0", "3=0");
            copy.drain();
            assertThat(taken).containsExactly("2=0", "3=0", "1=0", "4=0");
            assertThat(copy.copiedBytes()).isEqualTo(2 * PAGE);
        }
    }
}
