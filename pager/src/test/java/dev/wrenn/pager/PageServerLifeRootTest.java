package dev.wrenn.pager;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.DeadlinePassed;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.pager.StandInVmm.Mode;
import dev.wrenn.pager.StandInVmm.Piece;
import dev.wrenn.snapshot.WorkingSet;
import dev.wrenn.testkit.Eventually;
import dev.wrenn.testkit.HostInventory;
import dev.wrenn.testkit.HostInventory.Part;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** How page servers start, end, and are succeeded. */
@Tag("root")
@Timeout(60)
class PageServerLifeRootTest {
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

    private Path socket() {
        return folder.resolve("pager.sock");
    }

    private PageServer serve(TestMemory memory, int... workingSet) {
        return pager.serve("test", socket(), memory, WorkingSet.of(workingSet), failures::add);
    }

    private StandInVmm start(Mode mode, Piece... pieces) throws IOException {
        return StandInVmm.start(vmmProgram, socket(), mode, List.of(pieces));
    }

    @Test
    void a_vm_whose_page_server_died_with_faults_in_hand_is_taken_over() throws IOException {
        try (var memory = TestMemory.full(256);
                var vmmAndRegions = orphan(memory)) {
            var vmm = vmmAndRegions.vmm();
            memory.mend();

            try (var heir =
                    pager.adopt(
                            "test",
                            vmm.identity(),
                            vmmAndRegions.regions(),
                            memory,
                            failures::add)) {
                assertThat(vmm.ask("join")).isEqualTo(String.valueOf(memory.firstByte(100)));
                assertThat(vmm.dump(70, 186)).isEqualTo(memory.bytes(70, 186));
                vmm.fill(80, 8);
                var captured = Captured.of(heir);

                assertThat(captured.written.keySet()).containsExactly(3, 80);
                assertThat(captured.zeroed).containsExactly(32, 33, 34);
                assertThat(heir.firstTouches().toArray()).startsWith(0, 2).contains(6, 5);
            }
        }
        assertThat(failures).isEmpty();
    }

    private record Orphan(StandInVmm vmm, List<MemoryRegion> regions)
            implements dev.wrenn.base.Resource {
        @Override
        public void close() {
            vmm.close();
        }
    }

    /** Its server has written, removed and read pages, and ended with a fault it had read. */
    private Orphan orphan(TestMemory memory) throws IOException {
        var lost = new CopyOnWriteArrayList<WrennException>();
        try (var server = pager.serve("test", socket(), memory, WorkingSet.EMPTY, lost::add)) {
            var vmm = start(Mode.LAZY, new Piece(memory.pageCount(), 0));
            vmm.fill(3, 3);
            vmm.read(32);
            vmm.remove(32, 3);
            Eventually.holds(LIMIT, () -> assertThat(Captured.of(server).zeroed).hasSize(3));
            // The zero pages are in the page tables when nothing of it is left in the server.
            Eventually.within(LIMIT, server::isSettled);
            memory.damaged(101);
            assertThat(vmm.ask("wait 100")).isEqualTo("ok");
            Eventually.within(LIMIT, () -> !lost.isEmpty());
            return new Orphan(vmm, server.regions());
        }
    }

    @Test
    void taking_over_a_vmm_that_is_gone_is_refused() throws IOException {
        try (var memory = TestMemory.full(16)) {
            StandInVmm gone;
            List<MemoryRegion> regions;
            try (var server = serve(memory)) {
                gone = start(Mode.LAZY, new Piece(16, 0));
                server.awaitConnected(Deadline.after(LIMIT));
                regions = server.regions();
            }
            var identity = gone.identity();
            gone.close();

            assertThatThrownBy(() -> pager.adopt("test", identity, regions, memory, failures::add))
                    .isInstanceOfSatisfying(
                            WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.ABSENT));
        }
    }

    @Test
    void the_end_of_the_vm_is_no_failure() throws IOException {
        try (var memory = TestMemory.full(64);
                var server = serve(memory);
                var vmm = start(Mode.LAZY, new Piece(64, 0))) {
            vmm.read(1);

            vmm.kill();

            Eventually.within(LIMIT, () -> !threads().contains("pager-test"));
            assertThat(server.hasFailed()).isFalse();
        }
        assertThat(failures).isEmpty();
    }

    private static List<String> threads() {
        return Thread.getAllStackTraces().keySet().stream().map(Thread::getName).toList();
    }

    @Test
    void a_server_that_nobody_connects_to_closes_at_once() {
        try (var memory = TestMemory.full(16)) {
            var server = serve(memory, 0);
            var closing = Deadline.after(Duration.ofSeconds(2));

            server.close();

            assertThat(closing.isPast()).isFalse();
            assertThat(socket()).doesNotExist();
            assertThatThrownBy(() -> server.awaitConnected(Deadline.after(LIMIT)))
                    .isInstanceOfSatisfying(
                            WrennException.class,
                            e -> assertThat(e.kind()).isEqualTo(Kind.WRONG_STATE));
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = Mode.class,
            names = {"SILENT"})
    void a_vmm_that_says_nothing_is_given_up_after_the_limit(Mode mode) throws IOException {
        var impatient =
                new Pager(
                        new PagerConfig(
                                Duration.ofMillis(200),
                                false,
                                Duration.ofMillis(1),
                                PagerConfig.DEFAULTS.recordingLimit()));
        try (var memory = TestMemory.full(16);
                var server =
                        impatient.serve("test", socket(), memory, WorkingSet.EMPTY, failures::add);
                var vmm = start(mode, new Piece(16, 0))) {
            assertThatThrownBy(() -> server.awaitConnected(Deadline.after(LIMIT)))
                    .isInstanceOf(DeadlinePassed.class);
            assertThat(vmm.identity().isAlive()).isTrue();
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = Mode.class,
            names = {"BOOTED", "FILE"})
    void a_vmm_that_hands_over_no_userfaultfd_is_refused(Mode mode) throws IOException {
        try (var memory = TestMemory.full(16);
                var server = serve(memory);
                var _ = start(mode, new Piece(16, 0))) {
            assertThatThrownBy(() -> server.awaitConnected(Deadline.after(LIMIT)))
                    .isInstanceOfSatisfying(
                            WrennException.class,
                            e -> assertThat(e.kind()).isEqualTo(Kind.UNAVAILABLE));
        }
    }

    @Test
    void regions_beyond_the_memory_image_are_refused() throws IOException {
        try (var memory = TestMemory.full(16);
                var server = serve(memory);
                var _ = start(Mode.LAZY, new Piece(16, 1))) {
            assertThatThrownBy(() -> server.awaitConnected(Deadline.after(LIMIT)))
                    .hasMessageContaining("outside of the memory image");
        }
    }

    @Test
    void nothing_is_left_behind() throws IOException {
        var view =
                HostInventory.view()
                        .marked("no part of the machine itself")
                        .and(Part.DESCRIPTORS)
                        .and(Part.THREADS)
                        .under(folder);
        try (var memory = TestMemory.full(256)) {
            cycle(memory); // what is loaded and opened once
            pager.warmUp();
            var before = view.take();

            for (int i = 0; i < 5; i++) {
                cycle(memory);
            }
            pager.warmUp();

            before.assertRestored(view, LIMIT);
        }
    }

    private void cycle(TestMemory memory) throws IOException {
        serve(memory).close();
        var server = serve(memory, 1, 2, 3);
        try (var vmm = start(Mode.LAZY, new Piece(256, 0))) {
            vmm.fill(9, 9);
            assertThat(Captured.of(server).written).containsOnlyKeys(9);
            server.close();
            try (var heir =
                    pager.adopt("test", vmm.identity(), server.regions(), memory, failures::add)) {
                assertThat(vmm.read(200)).isEqualTo(memory.firstByte(200));
                assertThat(heir.hasFailed()).isFalse();
            }
        }
        try (var refused = serve(memory);
                var _ = start(Mode.BOOTED, new Piece(16, 0))) {
            assertThatThrownBy(() -> refused.awaitConnected(Deadline.after(LIMIT)))
                    .isInstanceOf(WrennException.class);
        }
    }

    @Test
    void warming_up_serves_thousands_of_faults_quickly() {
        var limit = Deadline.after(Duration.ofSeconds(20));

        pager.warmUp();

        assertThat(limit.isPast()).isFalse();
    }
}
