package dev.wrenn.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Forks;
import dev.wrenn.linux.Uffd.Outcome;
import dev.wrenn.testkit.Eventually;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Userfaultfd, page maps and process memory on memory of this very process. */
@Tag("root")
@Timeout(30)
class MemoryRootTest {
    private static final int PAGE = 4096;
    private static final long SELF = ProcessHandle.current().pid();

    private record Range(long firstPage, long endPage, boolean isZero) {}

    private static Pagemap.Ranges into(List<Range> found, AnonymousMemory memory) {
        return new Pagemap.Ranges() {
            @Override
            public void bytes(long start, long end) {
                found.add(range(start, end, false));
            }

            @Override
            public void zeroes(long start, long end) {
                found.add(range(start, end, true));
            }

            private Range range(long start, long end, boolean isZero) {
                return new Range(
                        (start - memory.address()) / PAGE, (end - memory.address()) / PAGE, isZero);
            }
        };
    }

    private static byte firstByte(AnonymousMemory memory, int page) {
        try (var arena = Arena.ofConfined();
                var ours = new ProcessMemory(SELF)) {
            var bytes = arena.allocate(PAGE);
            ours.read(memory.address() + (long) page * PAGE, bytes);
            return bytes.get(ValueLayout.JAVA_BYTE, 0);
        }
    }

    private static MemorySegment pages(Arena arena, int count, int value) {
        return arena.allocate((long) count * PAGE, PAGE).fill((byte) value);
    }

    @Test
    void installed_pages_are_there_once_and_count_as_unwritten() {
        try (var arena = Arena.ofConfined();
                var memory = AnonymousMemory.map(16 * PAGE);
                var fd = UffdRegistration.over(memory);
                var uffd = new Uffd(fd);
                var pagemap = Pagemap.of(SELF)) {
            long base = memory.address();

            assertThat(uffd.copy(base + PAGE, pages(arena, 2, 7), true)).isEqualTo(Outcome.DONE);
            assertThat(uffd.copy(base + PAGE, pages(arena, 1, 8), true)).isEqualTo(Outcome.PRESENT);
            assertThat(uffd.copy(base, pages(arena, 3, 9), true)).isEqualTo(Outcome.PARTIAL);
            assertThat(uffd.installedBytes()).isEqualTo(PAGE);
            assertThat(uffd.zero(base + 5L * PAGE, 2 * PAGE)).isEqualTo(Outcome.DONE);
            var resident = new ArrayList<Range>();
            pagemap.resident(base, base + memory.bytes(), into(resident, memory));
            var written = new ArrayList<Range>();
            boolean tracked = pagemap.written(base, base + memory.bytes(), into(written, memory));

            assertThat(firstByte(memory, 0)).isEqualTo((byte) 9);
            assertThat(firstByte(memory, 1)).isEqualTo((byte) 7);
            assertThat(firstByte(memory, 6)).isZero();
            assertThat(resident).containsExactly(new Range(0, 3, false), new Range(5, 7, true));
            var mapped = new ArrayList<Long>();
            Pagemap.mapped(SELF, base, base + memory.bytes(), at -> mapped.add((at - base) / PAGE));
            assertThat(mapped).containsExactly(0L, 1L, 2L, 5L, 6L);
            assertThat(tracked).isTrue();
            assertThat(written).containsExactly(new Range(5, 7, true));
        }
    }

    @Test
    void memory_that_is_not_tracked_is_told_apart() {
        try (var memory = AnonymousMemory.map(4 * PAGE);
                var pagemap = Pagemap.of(SELF)) {
            var found = new ArrayList<Range>();

            assertThat(
                            pagemap.written(
                                    memory.address(),
                                    memory.address() + memory.bytes(),
                                    into(found, memory)))
                    .isFalse();
            assertThat(found).isEmpty();
        }
    }

    @Test
    void more_ranges_than_one_call_returns_are_all_found() {
        int pages = 20_000;
        try (var arena = Arena.ofConfined();
                var memory = AnonymousMemory.map((long) pages * PAGE);
                var fd = UffdRegistration.over(memory);
                var uffd = new Uffd(fd);
                var pagemap = Pagemap.of(SELF)) {
            var page = pages(arena, 1, 1);
            for (long at = 0; at < memory.bytes(); at += 2 * PAGE) {
                assertThat(uffd.copy(memory.address() + at, page, true)).isEqualTo(Outcome.DONE);
            }
            var found = new ArrayList<Range>();

            pagemap.resident(
                    memory.address(), memory.address() + memory.bytes(), into(found, memory));

            assertThat(found).hasSize(pages / 2);
            assertThat(found.getLast()).isEqualTo(new Range(pages - 2, pages - 1, false));
            var mapped = new ArrayList<Long>();
            Pagemap.mapped(SELF, memory.address(), memory.address() + memory.bytes(), mapped::add);
            assertThat(mapped).hasSize(pages / 2);
            assertThat(mapped.getLast()).isEqualTo(memory.address() + (pages - 2L) * PAGE);
        }
    }

    @Test
    void a_removal_is_handed_over_before_faults_and_lets_the_remover_go_on() {
        try (var arena = Arena.ofConfined();
                var memory = AnonymousMemory.map(8 * PAGE);
                var forks = new Forks();
                var fd = UffdRegistration.over(memory);
                var uffd = new Uffd(fd)) {
            uffd.copy(memory.address(), pages(arena, 4, 3), true);
            var reading = forks.startOnPlatformThread("read", () -> firstByte(memory, 6));
            var removing =
                    forks.startOnPlatformThread(
                            "remove",
                            () -> {
                                memory.discard(0, 2 * PAGE);
                                return true;
                            });
            var events = new ArrayList<String>();
            var recorder =
                    new Uffd.Events() {
                        @Override
                        public void pageFault(long hostAddress) {
                            events.add("fault " + (hostAddress - memory.address()) / PAGE);
                        }

                        @Override
                        public void removed(long hostAddress, long endAddress) {
                            events.add("removed to " + (endAddress - memory.address()) / PAGE);
                        }
                    };
            awaitBlocked("read");
            awaitBlocked("remove");

            uffd.read(recorder);
            while (uffd.zero(memory.address() + 6L * PAGE, PAGE) == Outcome.AGAIN) {
                Thread.onSpinWait();
            }

            assertThat(events).containsExactly("removed to 2", "fault 6");
            assertThat(removing.take(Duration.ofSeconds(5))).isTrue();
            assertThat(reading.take(Duration.ofSeconds(5))).isZero();
        }
    }

    /** Until the thread of that name waits in the kernel for the reader of a userfaultfd. */
    private static void awaitBlocked(String thread) {
        Eventually.within(
                Duration.ofSeconds(5),
                thread + " waits",
                () -> {
                    try (var tasks = Files.list(Path.of("/proc/self/task"))) {
                        return tasks.anyMatch(task -> isBlocked(task, thread));
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                });
    }

    private static boolean isBlocked(Path task, String thread) {
        try {
            return Files.readString(task.resolve("comm")).strip().equals(thread)
                    && Files.readString(task.resolve("wchan")).matches(".*userfault.*");
        } catch (IOException _) {
            return false; // ended since it was listed
        }
    }

    @Test
    void what_is_not_mapped_cannot_be_read() {
        try (var arena = Arena.ofConfined();
                var ours = new ProcessMemory(SELF)) {
            var bytes = arena.allocate(PAGE);

            assertThatThrownBy(() -> ours.read(PAGE, bytes)).isInstanceOf(LinuxException.class);
        }
    }
}
