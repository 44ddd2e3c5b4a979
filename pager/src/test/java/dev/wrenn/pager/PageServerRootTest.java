package dev.wrenn.pager;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.pager.StandInVmm.Mode;
import dev.wrenn.pager.StandInVmm.Piece;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.snapshot.WorkingSet;
import dev.wrenn.testkit.Cases;
import dev.wrenn.testkit.Eventually;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Serving memory to another process, as a VMM would see it. */
@Tag("root")
@Timeout(60)
class PageServerRootTest {
    private static final int PAGE = PageSource.PAGE_BYTES;
    private static final Duration LIMIT = Duration.ofSeconds(10);

    @TempDir static Path programs;
    private static Path vmmProgram = Path.of("");

    @TempDir Path folder;

    private final Pager pager = new Pager(PagerConfig.DEFAULTS);
    private final List<WrennException> failures = new CopyOnWriteArrayList<>();

    @BeforeAll
    static void compile() {
        vmmProgram = StandInVmm.compile("vmm", programs);
    }

    private PageServer serve(PageSource memory, int... workingSet) {
        return pager.serve(
                "test",
                folder.resolve("pager.sock"),
                memory,
                WorkingSet.of(workingSet),
                failures::add);
    }

    private StandInVmm start(Mode mode, Piece... pieces) throws IOException {
        return StandInVmm.start(vmmProgram, folder.resolve("pager.sock"), mode, List.of(pieces));
    }

    private static Piece all(TestMemory memory) {
        return new Piece(memory.pageCount(), 0);
    }

    private static void awaitConnected(PageServer server) {
        server.awaitConnected(Deadline.after(LIMIT));
    }

    @Test
    void every_byte_is_right_whatever_the_page_map() {
        Cases.check(
                12,
                source -> {
                    int pages = source.between(1, 40 * source.size());
                    int first = source.between(1, pages);
                    var pieces =
                            first == pages
                                    ? new Piece[] {new Piece(pages, 0)}
                                    : new Piece[] {
                                        new Piece(pages - first, first), new Piece(first, 0)
                                    };
                    int[] workingSet =
                            source.list(c -> c.between(-1, pages / 16 + 1)).stream()
                                    .mapToInt(i -> i)
                                    .toArray();
                    try (var memory = TestMemory.random(source, pages, 40);
                            var server = serve(memory, workingSet);
                            var vmm = start(Mode.LAZY, pieces)) {
                        int at = source.between(0, pages - 1);

                        awaitConnected(server);
                        assertThat(vmm.dump(at, 1)).isEqualTo(memory.bytes(at));
                        assertThat(vmm.dump(0, pages)).isEqualTo(memory.bytes(0, pages));

                        assertThat(Captured.of(server).written).isEmpty();
                        assertThat(Captured.of(server).zeroed).isEmpty();
                    }
                });
        assertThat(failures).isEmpty();
    }

    @Test
    void a_fault_brings_the_64_kib_around_it() throws IOException {
        try (var memory = TestMemory.full(64);
                var server = serve(memory);
                var vmm = start(Mode.LAZY, all(memory))) {
            for (int page = 16; page < 32; page++) {
                assertThat(vmm.read(page)).isEqualTo(memory.firstByte(page));
            }

            Eventually.holds(
                    LIMIT,
                    () -> {
                        assertThat(server.stats().faults()).isEqualTo(1);
                        assertThat(server.stats().copiedPages()).isEqualTo(16);
                    });
            assertThat(server.stats().serviceP99Nanos()).isPositive();
        }
    }

    @Test
    void what_servers_did_counts_once_whether_they_serve_or_have_ended() throws IOException {
        try (var memory = TestMemory.full(64)) {
            for (int run = 1; run <= 2; run++) {
                try (var server = serve(memory);
                        var vmm = start(Mode.LAZY, all(memory))) {
                    assertThat(vmm.read(16)).isEqualTo(memory.firstByte(16));
                    assertThat(vmm.read(40)).isEqualTo(memory.firstByte(40));
                    Eventually.within(LIMIT, () -> server.stats().faults() == 2);

                    assertThat(pager.served())
                            .isEqualTo(new ServedPages(2L * run, 32L * run, 0, 0));
                }
                assertThat(pager.served()).isEqualTo(new ServedPages(2L * run, 32L * run, 0, 0));
            }
        }
    }

    @Test
    void holes_are_the_zero_page_and_copy_nothing() throws IOException {
        try (var memory = TestMemory.striped(64, 32);
                var server = serve(memory);
                var vmm = start(Mode.LAZY, all(memory))) {
            assertThat(vmm.dump(32, 32)).containsOnly(0);

            Eventually.holds(
                    LIMIT,
                    () -> {
                        assertThat(server.stats().zeroPages()).isEqualTo(32);
                        assertThat(server.stats().copiedPages()).isZero();
                    });
        }
    }

    @Test
    void a_capture_finds_what_was_written_and_only_that() {
        Cases.check(
                8,
                source -> {
                    int pages = 64 + 4 * source.size();
                    try (var memory = TestMemory.random(source, pages, 20);
                            var server = serve(memory, 0, 2, 3);
                            var vmm = start(Mode.LAZY, all(memory))) {
                        awaitConnected(server);
                        var expected = new java.util.TreeMap<Integer, Integer>();
                        for (int i = 0; i < source.size() / 2; i++) {
                            int page = source.between(0, pages - 1);
                            switch (source.between(0, 2)) {
                                case 0 -> vmm.read(page);
                                // A page zeroed after resume is dirty, never "unchanged" (gap D1).
                                case 1 -> {
                                    vmm.fill(page, 0);
                                    expected.put(page, 0);
                                }
                                default -> {
                                    vmm.read(page);
                                    vmm.fill(page, 100 + i % 100);
                                    expected.put(page, 100 + i % 100);
                                }
                            }
                        }

                        var captured = Captured.of(server);
                        var again = Captured.of(server);

                        assertThat(captured.written.keySet()).isEqualTo(expected.keySet());
                        assertThat(captured.zeroed).isEmpty();
                        expected.forEach((page, value) ->
                                assertThat(captured.written.get(page))
                                        .containsOnly(value.intValue()));
                        assertThat(again.written.keySet()).isEqualTo(expected.keySet());
                    }
                });
    }

    @Test
    void the_working_set_is_there_before_anybody_asks() throws IOException {
        try (var memory = TestMemory.striped(20 * 16, 24);
                var server = serve(memory, 7, 3, 4, 5, 12, 3);
                var vmm = start(Mode.LAZY, all(memory))) {
            Eventually.within(LIMIT, () -> server.stats().prefetchedPages() == 5 * 16);
            for (int cluster : new int[] {3, 4, 5, 7, 12}) {
                assertThat(vmm.dump(cluster * 16L, 16)).isEqualTo(memory.bytes(cluster * 16, 16));
            }

            assertThat(server.stats().faults()).isZero();
            assertThat(Captured.of(server).written).isEmpty();
        }
    }

    @Test
    void the_rest_is_filled_in_the_background_if_asked() throws IOException {
        var filling =
                new Pager(
                        new PagerConfig(
                                LIMIT,
                                true,
                                Duration.ofMillis(1),
                                PagerConfig.DEFAULTS.recordingLimit()));
        try (var memory = TestMemory.striped(100, 7);
                var server =
                        filling.serve(
                                "test",
                                folder.resolve("pager.sock"),
                                memory,
                                WorkingSet.of(2),
                                failures::add);
                var vmm = start(Mode.LAZY, all(memory))) {
            Eventually.within(LIMIT, () -> server.stats().prefetchedPages() == 100);
            assertThat(vmm.dump(0, 100)).isEqualTo(memory.bytes(0, 100));

            assertThat(server.stats().faults()).isZero();
        }
    }

    @Test
    void first_touches_are_the_working_set_and_then_the_faults_in_order() throws IOException {
        try (var memory = TestMemory.full(20 * 16);
                var server = serve(memory, 9, 1);
                var vmm = start(Mode.LAZY, all(memory))) {
            Eventually.within(LIMIT, () -> server.stats().prefetchedPages() == 32);
            for (int cluster : new int[] {5, 1, 2, 5, 19}) {
                vmm.read(cluster * 16L + 3);
            }
            server.stopRecording();
            vmm.read(4 * 16);

            assertThat(server.firstTouches()).isEqualTo(WorkingSet.of(9, 1, 5, 2, 19));
        }
    }

    @Test
    void pages_given_back_read_as_zero_and_are_captured_as_zero() throws IOException {
        try (var memory = TestMemory.full(256);
                var server = serve(memory, 0, 1, 2, 3);
                var vmm = start(Mode.LAZY, all(memory))) {
            vmm.fill(10, 77); // written, then given back
            vmm.remove(8, 8);
            vmm.remove(100, 50); // never touched
            vmm.remove(200, 3);
            vmm.fill(201, 5); // given back, then written

            assertThat(vmm.dump(8, 8)).containsOnly(0);
            assertThat(vmm.dump(100, 10)).containsOnly(0);
            assertThat(vmm.read(7)).isEqualTo(memory.firstByte(7));
            assertThat(vmm.read(99)).isEqualTo(memory.firstByte(99));
            assertThat(vmm.read(150)).isEqualTo(memory.firstByte(150));
            var captured = Captured.of(server);

            assertThat(captured.written).containsOnlyKeys(201);
            assertThat(captured.written.get(201)).containsOnly(5);
            assertThat(captured.zeroed)
                    .hasSize(8 + 50 + 2)
                    .contains(8, 15, 100, 149, 200, 202)
                    .doesNotContain(7, 16, 99, 150, 201);
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void pages_that_may_be_dropped_later_are_never_stale_once_captured() throws IOException {
        try (var memory = TestMemory.full(64);
                var server = serve(memory);
                var vmm = start(Mode.LAZY, all(memory))) {
            vmm.fill(3, 9);
            assertThat(vmm.ask("free 0 16")).isEqualTo("ok"); // MADV_FREE: keeps them for now

            int first = vmm.read(3);
            var captured = Captured.of(server);

            assertThat(first).isIn(0, 9);
            assertThat(captured.written.containsKey(3) || captured.zeroed.contains(3)).isTrue();
        }
    }

    @Test
    void four_threads_may_fault_at_once() throws IOException {
        try (var memory = TestMemory.striped(4_096, 50);
                var server = serve(memory, 1, 2, 3, 50, 51, 52, 200);
                var vmm = start(Mode.LAZY, all(memory))) {
            assertThat(vmm.ask("storm 4")).isEqualTo("0");
            assertThat(vmm.dump(0, 4_096)).isEqualTo(memory.bytes(0, 4_096));

            var stats = server.stats();
            assertThat(stats.copiedPages() + stats.zeroPages() + stats.prefetchedPages())
                    .isEqualTo(4_096);
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void a_page_given_back_never_shows_its_old_bytes_however_busy_the_pager_is()
            throws IOException {
        int pages = 2_048;
        var everything = new int[pages / 16];
        Arrays.setAll(everything, i -> i);
        try (var memory = TestMemory.full(pages);
                var server = serve(memory, everything);
                var vmm = start(Mode.LAZY, all(memory))) {
            assertThat(vmm.ask("churn 4")).isEqualTo("0");
            assertThat(server.hasFailed()).isFalse();
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void a_page_given_back_while_its_neighbours_are_first_touched_stays_zero() throws IOException {
        int pages = 32_768;
        try (var memory = TestMemory.full(pages);
                var server = serve(memory, 2_000, 2_001, 2_002);
                var vmm = start(Mode.LAZY, all(memory))) {
            assertThat(vmm.ask("race 8")).isEqualTo("0");
            var captured = Captured.of(server);

            assertThat(captured.written).isEmpty();
            assertThat(captured.zeroed).hasSize(pages / 16 * 4);
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void a_vmm_that_tracks_nothing_is_served_and_captured_whole() throws IOException {
        try (var memory = TestMemory.striped(64, 16);
                var server = serve(memory);
                var vmm = start(Mode.UNTRACKED, all(memory))) {
            vmm.fill(0, 1);
            vmm.fill(20, 2); // in a hole
            vmm.read(40);

            var captured = Captured.of(server);

            assertThat(captured.written.keySet()).contains(0, 20, 40).doesNotContain(21, 48);
            assertThat(captured.written.get(20)).containsOnly(2);
            assertThat(captured.zeroed).isEmpty();
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void a_booted_vm_is_captured_by_what_it_has_touched() throws IOException {
        try (var server = pager.announced("test", folder.resolve("pager.sock"));
                var vmm = start(Mode.BOOTED, new Piece(100, 0), new Piece(50, 200))) {
            awaitConnected(server);
            vmm.fill(3, 33);
            vmm.fill(249, 44);
            vmm.read(50); // the zero page

            var captured = Captured.of(server);

            assertThat(captured.written).containsOnlyKeys(3, 249);
            assertThat(captured.written.get(249)).containsOnly(44);
            assertThat(captured.zeroed).isEmpty();
            assertThat(server.regions())
                    .extracting(MemoryRegion::sizeBytes)
                    .containsExactly(100L * PAGE, 50L * PAGE);
            assertThat(server.vmmPid()).isEqualTo(vmm.identity().pid());
        }
    }

    @Test
    void damage_ends_serving_once_with_its_cause_and_nothing_hangs() throws IOException {
        try (var memory = TestMemory.full(64).damaged(40);
                var server = serve(memory);
                var vmm = start(Mode.LAZY, all(memory))) {
            vmm.read(0);
            vmm.order("read 33"); // the same 64 KiB

            Eventually.within(LIMIT, () -> !failures.isEmpty());
            assertThat(server.hasFailed()).isTrue();
            vmm.kill();
        }
        assertThat(failures).extracting(WrennException::kind).containsExactly(Kind.CORRUPT);
    }

    @Test
    void damage_in_the_working_set_is_found_though_nobody_touches_it() throws IOException {
        try (var memory = TestMemory.full(64).damaged(40);
                var server = serve(memory, 0, 2);
                var vmm = start(Mode.LAZY, all(memory))) {
            Eventually.within(LIMIT, () -> !failures.isEmpty());

            assertThat(server.hasFailed()).isTrue();
            vmm.kill();
        }
        assertThat(failures).extracting(WrennException::kind).containsExactly(Kind.CORRUPT);
    }

    @Test
    void memory_taken_away_under_the_pager_is_a_failure_not_a_freeze() throws IOException {
        try (var memory = TestMemory.full(64);
                var server = serve(memory);
                var vmm = start(Mode.LAZY, all(memory))) {
            vmm.read(0);
            assertThat(vmm.ask("unmap 48 8")).isEqualTo("ok");
            vmm.order("read 56"); // its 64 KiB have a hole that cannot be filled

            Eventually.within(LIMIT, server::hasFailed);
            vmm.kill();
        }
        assertThat(failures).extracting(WrennException::kind).containsExactly(Kind.INVALID);
    }
}
