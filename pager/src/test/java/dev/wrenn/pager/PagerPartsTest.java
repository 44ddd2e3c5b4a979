package dev.wrenn.pager;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.snapshot.WorkingSet;
import dev.wrenn.testkit.Cases;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The parts of the pager that need no kernel. */
class PagerPartsTest {
    private static final long PAGE = PageSource.PAGE_BYTES;

    private static MemoryRegion region(long hostPage, long pages, long firstPage) {
        return new MemoryRegion(hostPage * PAGE, pages * PAGE, firstPage * PAGE);
    }

    @Test
    void quantiles_are_at_most_three_percent_too_high() {
        Cases.check(
                50,
                source -> {
                    var times = new ServiceTimes();
                    var all = new ArrayList<Long>();
                    int count = 1 + 20 * source.size();
                    for (int i = 0; i < count; i++) {
                        long nanos = source.between(0L, 1L << source.between(1, 40));
                        times.add(nanos);
                        all.add(nanos);
                    }
                    all.sort(null);

                    for (double share : new double[] {0.01, 0.5, 0.99, 1}) {
                        long exact = all.get((int) Math.ceil(share * count) - 1);
                        assertThat(times.quantileNanos(share))
                                .isBetween(exact, exact + exact / 32 + 1);
                    }
                    assertThat(times.maxNanos()).isEqualTo(all.getLast());
                });
    }

    @Test
    void no_faults_have_no_quantile() {
        assertThat(new ServiceTimes().quantileNanos(0.99)).isZero();
    }

    @Test
    void the_largest_value_has_a_place() {
        var times = new ServiceTimes();

        times.add(Long.MAX_VALUE);
        times.add(-1); // a clock that went back

        assertThat(times.quantileNanos(1)).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void a_plan_installs_each_cluster_of_the_working_set_once_and_nothing_else() {
        Cases.check(
                100,
                source -> {
                    long pages = source.between(1, 100 * source.size());
                    int clusters = (int) ((pages + 15) / 16);
                    int[] asked =
                            source.list(c -> c.between(-3, clusters + 3)).stream()
                                    .mapToInt(i -> i)
                                    .toArray();
                    var expected = new TreeSet<Integer>();
                    for (int cluster : asked) {
                        if (cluster >= 0 && cluster < clusters) {
                            expected.add(cluster);
                        }
                    }
                    var fitting = PrefetchPlan.fitting(WorkingSet.of(asked), pages);
                    var plan = new PrefetchPlan(fitting, pages);
                    try (var memory = TestMemory.striped((int) pages, 5)) {
                        assertThat(plan.isPrimed()).isFalse();
                        plan.prime(memory, () -> false);
                    }

                    var planned = new BitSet();
                    while (plan.isPrimed()) {
                        assertThat(plan.firstPage() % 16).isZero();
                        int end = plan.firstPage() + plan.pageCount();
                        assertThat(end).isLessThanOrEqualTo((int) pages);
                        for (int c = plan.firstPage() / 16; c * 16 < end; c++) {
                            assertThat(planned.get(c)).isFalse();
                            planned.set(c);
                        }
                        plan.advance();
                    }

                    assertThat(plan.isUnfinished()).isFalse();
                    assertThat(planned.stream().boxed()).containsExactlyElementsOf(expected);
                });
    }

    @Test
    void early_clusters_are_planned_before_late_ones() {
        int[] clusters = new int[200];
        for (int i = 0; i < clusters.length; i++) {
            clusters[i] = 199 - i;
        }
        var plan = new PrefetchPlan(WorkingSet.of(clusters), 200 * 16);

        assertThat(plan.firstPage() / 16).isEqualTo(199 - 63); // of the first 64, the lowest
        assertThat(plan.pageCount()).isEqualTo(32);
    }

    @Test
    void a_source_that_fails_while_it_is_primed_fails_the_plan() {
        var plan = new PrefetchPlan(WorkingSet.of(0, 1, 2), 48);
        try (var memory = TestMemory.full(48).damaged(20)) {
            plan.prime(memory, () -> false);

            assertThatThrownBy(plan::check)
                    .isInstanceOfSatisfying(
                            WrennException.class,
                            e -> assertThat(e.kind()).isEqualTo(Kind.CORRUPT));
            assertThat(plan.isUnfinished()).isTrue();
        }
    }

    @Test
    void regions_are_found_by_address() {
        var low = region(1_000, 10, 50);
        var high = region(2_000, 5, 0);
        var memory = GuestMemory.of(List.of(low, high), 60 * PAGE);

        assertThat(memory.regions()).containsExactly(high, low);
        assertThat(memory.at(1_009 * PAGE + 4_095)).isEqualTo(low);
        assertThat(memory.at(2_000 * PAGE)).isEqualTo(high);
        assertThatThrownBy(() -> memory.at(1_010 * PAGE)).isInstanceOf(WrennException.class);
        assertThatThrownBy(() -> memory.at(-1)).isInstanceOf(WrennException.class);
    }

    @Test
    void impossible_regions_are_refused() {
        var good = region(100, 10, 0);
        var refused =
                List.of(
                        List.<MemoryRegion>of(),
                        List.of(new MemoryRegion(100 * PAGE + 1, 10 * PAGE, 0)),
                        List.of(new MemoryRegion(100 * PAGE, 10 * PAGE + 8, 0)),
                        List.of(region(100, 0, 0)),
                        List.of(region(100, -1, 0)),
                        List.of(region(-1, 1, 0)),
                        List.of(region(100, 10, 11)), // ends behind the image of 20 pages
                        List.of(region(100, 1, -1)),
                        List.of(region(100, Long.MAX_VALUE / PAGE, 0)),
                        List.of(region((1L << 56) / PAGE, 1, 0)),
                        List.of(good, region(109, 5, 10)), // in the VMM
                        List.of(good, region(500, 5, 9))); // in the image

        for (var regions : refused) {
            assertThatThrownBy(() -> GuestMemory.of(regions, 20 * PAGE))
                    .as(regions.toString())
                    .isInstanceOfSatisfying(
                            WrennException.class,
                            e -> assertThat(e.kind()).isEqualTo(Kind.UNAVAILABLE));
        }
        assertThat(GuestMemory.of(List.of(good, region(500, 5, 10)), 20 * PAGE).regions())
                .hasSize(2);
    }

    @Test
    void the_handshake_of_firecracker_is_understood() {
        // firecracker v1.16 src/vmm/src/persist.rs, GuestRegionUffdMapping; page_size_kib is bytes
        var json =
                """
                [{"base_host_virt_addr":139965196582912,"size":3221225472,"offset":0,
                  "page_size":4096,"page_size_kib":4096},
                 {"base_host_virt_addr":139961975357440,"size":1073741824,"offset":3221225472,
                  "page_size":4096,"page_size_kib":4096}]
                """;

        assertThat(Handshake.parse(json))
                .containsExactly(
                        new MemoryRegion(139965196582912L, 3221225472L, 0),
                        new MemoryRegion(139961975357440L, 1073741824L, 3221225472L));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "hello]",
                "[{\"base_host_virt_addr\":4096,\"size\":4096}]",
                "[{\"base_host_virt_addr\":\"4096\",\"size\":4096,\"offset\":0}]",
                "[{\"base_host_virt_addr\":1.5,\"size\":4096,\"offset\":0}]",
                "[{\"base_host_virt_addr\":99999999999999999999,\"size\":4096,\"offset\":0}]",
                "[4]",
                "[[]]"
            })
    void other_handshakes_are_refused(String text) {
        assertThatThrownBy(() -> Handshake.parse(text))
                .isInstanceOfSatisfying(
                        WrennException.class,
                        e -> assertThat(e.kind()).isEqualTo(Kind.UNAVAILABLE));
    }

    @Test
    void touches_are_kept_in_order_up_to_the_limit() {
        var touches = new TouchRecord(WorkingSet.of(5, 3), 4L * WorkingSet.CLUSTER_BYTES);

        for (int cluster : new int[] {3, 9, 5, 9, 1, 2}) {
            touches.touched(cluster);
        }

        assertThat(touches.workingSet()).isEqualTo(WorkingSet.of(5, 3, 9, 1));
    }

    @Test
    void removed_pages_are_told_in_runs() {
        var removed = new RemovedPages();
        assertThat(removed.isEmpty()).isTrue();

        removed.add(10, 20);

        assertThat(removed.isEmpty()).isFalse();
        assertThat(removed.sameFor(0, 100)).isEqualTo(10);
        assertThat(removed.sameFor(12, 100)).isEqualTo(8);
        assertThat(removed.sameFor(12, 3)).isEqualTo(3);
        assertThat(removed.sameFor(20, 7)).isEqualTo(7);
        assertThat(removed.contains(19)).isTrue();
        assertThat(removed.contains(20)).isFalse();
    }
}
