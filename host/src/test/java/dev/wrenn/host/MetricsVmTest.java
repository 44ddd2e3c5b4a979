package dev.wrenn.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.host.MetricPoint;
import dev.wrenn.contract.host.MetricTier;
import dev.wrenn.testkit.Eventually;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What real VMs are measured to use. */
@Tag("vm")
@ExtendWith(LabExtension.class)
class MetricsVmTest {
    private static final Duration LIMIT = Duration.ofSeconds(90);
    private static final Duration WINDOW = MetricTier.SINGLE.kept();
    private static final long MIB = 1L << 20;

    /** Of one processor; others use the machine as well, so a loop does not get all of it. */
    private static final double BUSY = 60;

    private static final double IDLE = 12;

    private final HostLab lab;

    MetricsVmTest(HostLab lab) {
        this.lab = lab;
    }

    private List<MetricPoint> points(CapsuleId capsule) {
        return lab.host().metrics(capsule, WINDOW);
    }

    private MetricPoint last(CapsuleId capsule) {
        return points(capsule).getLast();
    }

    private void awaitIdle(CapsuleId capsule) {
        Eventually.within(
                LIMIT,
                "three idle points in a row",
                () -> {
                    var all = points(capsule);
                    return all.size() >= 3
                            && all.subList(all.size() - 3, all.size()).stream()
                                    .allMatch(p -> p.cpuPercent() < IDLE);
                });
    }

    @Test
    void a_guest_in_a_loop_is_busy_and_one_that_waits_is_idle() {
        var capsule = lab.capsule();
        awaitIdle(capsule);

        var loop = lab.shell(capsule, "(while :; do :; done) </dev/null >/dev/null 2>&1 & echo $!");
        Eventually.within(LIMIT, "a busy point", () -> last(capsule).cpuPercent() > BUSY);
        lab.shell(capsule, "kill " + loop);

        awaitIdle(capsule);
        assertThat(last(capsule).memoryBytes())
                .isBetween(16 * MIB, (HostLab.MEMORY_MB + 256) * MIB);
        assertThat(points(capsule)).allSatisfy(p -> assertThat(p.cpuPercent()).isBetween(0., 100.));
    }

    @Test
    void a_disk_counts_with_what_was_written_and_not_with_what_its_template_brought() {
        var capsule = lab.capsule();
        Eventually.within(LIMIT, () -> !points(capsule).isEmpty());
        long before = last(capsule).diskBytes();
        assertThat(before).as("the root disk has some 300 MiB").isLessThan(32 * MIB);

        lab.shell(capsule, "head -c 24M /dev/urandom > /root/file; sync");
        Eventually.within(
                LIMIT, "24 MiB more", () -> last(capsule).diskBytes() >= before + 24 * MIB);
        assertThat(last(capsule).diskBytes()).isLessThan(before + 48 * MIB);

        lab.host().pause(capsule);
        lab.host().resume(capsule);
        int paused = points(capsule).size();
        Eventually.within(LIMIT, () -> points(capsule).size() > paused);
        assertThat(last(capsule).diskBytes())
                .as("a clone of its own snapshot still is its own")
                .isBetween(before + 24 * MIB, before + 48 * MIB);
    }

    @Test
    void what_was_measured_stays_over_a_pause_and_another_host_agent_and_goes_with_the_capsule() {
        var capsule = lab.capsule();
        Eventually.within(LIMIT, () -> points(capsule).size() >= 3);
        lab.host().pause(capsule);
        var first = points(capsule);

        lab.reopen();
        assertThat(points(capsule)).isEqualTo(first);
        lab.host().resume(capsule);
        Eventually.within(LIMIT, () -> points(capsule).size() >= first.size() + 3);

        lab.reopen(); // the VM runs on meanwhile
        var second = points(capsule);
        Eventually.within(LIMIT, () -> points(capsule).size() >= second.size() + 3);
        assertThat(points(capsule).subList(0, second.size())).isEqualTo(second);
        assertThat(second.subList(0, first.size())).isEqualTo(first);
        assertThat(points(capsule).stream().map(MetricPoint::at))
                .isSorted()
                .doesNotHaveDuplicates()
                .allSatisfy(at -> assertThat(at).isAfter(Instant.EPOCH));
        for (var tier : MetricTier.values()) {
            assertThat(lab.host().metrics(capsule, tier.kept())).isNotEmpty();
        }

        lab.host().destroy(capsule);
        assertThatThrownBy(() -> points(capsule)).isInstanceOf(WrennException.class);
        Eventually.within(LIMIT, "its file is gone", () -> files().isEmpty());
    }

    @Test
    void the_host_adds_up_what_its_vms_do() {
        var before = lab.host().totals();
        var capsule = lab.capsule();
        Eventually.within(LIMIT, () -> lab.host().totals().vms().memoryBytes() >= 16 * MIB);
        var running = lab.host().totals();
        lab.host().pause(capsule);
        var after = lab.host().totals();

        assertThat(running.slotsInUse()).isEqualTo(before.slotsInUse() + 1);
        assertThat(after.slotsInUse()).isEqualTo(before.slotsInUse());
        assertThat(after.slots()).isGreaterThanOrEqualTo(running.slotsInUse());
        assertThat(after.disk().freeBytes()).isPositive();
        assertThat(after.vms().starts()).isEqualTo(before.vms().starts() + 1);
        assertThat(after.vms().saves()).isEqualTo(before.vms().saves() + 1);
        assertThat(after.vms().savedBytes()).isGreaterThan(before.vms().savedBytes());
        assertThat(after.vms().losses()).isEqualTo(before.vms().losses());
        assertThat(after.vms().cpuTime()).isGreaterThan(before.vms().cpuTime());
        assertThat(after.pages().faults() + after.pages().prefetched())
                .isGreaterThan(before.pages().faults() + before.pages().prefetched());
    }

    private List<String> files() {
        return HostLab.names(Path.of(lab.folder().toString(), "metrics"));
    }
}
