package dev.wrenn.host.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Forks;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.host.MetricPoint;
import dev.wrenn.disk.Disks;
import dev.wrenn.linux.ProcessIdentity;
import dev.wrenn.linux.ProcessUsage;
import dev.wrenn.testkit.Eventually;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Measures processes that are no VMMs. */
class MeterTest {
    private static final Duration LIMIT = Duration.ofSeconds(30);
    private static final Duration WINDOW = Duration.ofMinutes(10);
    private static final Duration OFTEN = Duration.ofMillis(20);

    @TempDir private Path folder;
    private final CapsuleId capsule = CapsuleId.random();
    private volatile List<MeasuredRun> running = List.of();

    @BeforeEach
    void this_process_runs() throws IOException {
        running = List.of(run(ProcessHandle.current().pid()));
    }

    private MeasuredRun run(long pid) throws IOException {
        var disk = folder.resolve("disk");
        Files.write(disk, new byte[1 << 20]);
        return new MeasuredRun(
                capsule, ProcessIdentity.of(pid).orElseThrow(), 1, disk, Optional::empty);
    }

    private Meter meter() {
        return Meter.start(
                folder.resolve("metrics"),
                new Disks(),
                () -> running,
                InstantSource.system(),
                OFTEN);
    }

    private static void awaitMore(Meter meter, CapsuleId capsule, int than) {
        Eventually.within(LIMIT, () -> meter.read(capsule, WINDOW).size() > than);
    }

    @Test
    void a_busy_process_shows_and_an_idle_one_does_not() throws IOException {
        var stop = new AtomicBoolean();
        try (var meter = meter();
                var forks = new Forks()) {
            var busy =
                    forks.startOnPlatformThread(
                            "busy",
                            () -> {
                                long turns = 0;
                                while (!stop.get()) {
                                    turns++;
                                }
                                return turns;
                            });
            Eventually.within(
                    LIMIT,
                    "a point of some load",
                    () -> meter.read(capsule, WINDOW).stream().anyMatch(p -> p.cpuPercent() > 60));
            stop.set(true);
            assertThat(busy.take(LIMIT)).isPositive();
        }

        var sleeper = new ProcessBuilder("sleep", "1000").start();
        try {
            running = List.of(run(sleeper.pid()));
            try (var meter = meter()) {
                int before = meter.read(capsule, WINDOW).size();
                awaitMore(meter, capsule, before + 5);
                assertThat(meter.read(capsule, WINDOW).subList(before, before + 5))
                        .allSatisfy(p -> {
                            assertThat(p.cpuPercent()).isLessThan(20);
                            assertThat(p.memoryBytes()).isBetween(1L << 12, 64L << 20);
                            assertThat(p.diskBytes()).isBetween(1L << 20, 2L << 20);
                        });
            }
        } finally {
            sleeper.destroyForcibly();
        }
    }

    @Test
    void what_was_measured_is_there_for_the_next_process() {
        List<MetricPoint> before;
        try (var meter = meter()) {
            awaitMore(meter, capsule, 3);
            running = List.of();
            before = atRest(meter);
        }

        try (var meter = meter()) {
            assertThat(meter.read(capsule, WINDOW)).isEqualTo(before);
            this.running = List.of(run(ProcessHandle.current().pid()));
            awaitMore(meter, capsule, before.size());
            assertThat(meter.read(capsule, WINDOW)).startsWith(before.toArray(MetricPoint[]::new));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private List<MetricPoint> atRest(Meter meter) {
        awaitRound(meter);
        return meter.read(capsule, WINDOW);
    }

    /** A round that began after the present one has ended when this returns. */
    private void awaitRound(Meter meter) {
        for (int i = 0; i < 2; i++) {
            awaitEndOfRound(meter);
        }
    }

    private void awaitEndOfRound(Meter meter) {
        var other = CapsuleId.random();
        var file = folder.resolve("metrics").resolve(other.text() + ".metrics");
        try {
            Files.createFile(file);
            meter.forget(other);
            Eventually.within(LIMIT, "a round", () -> !Files.exists(file));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void a_history_that_somebody_removed_begins_anew() throws IOException {
        try (var meter = meter()) {
            awaitMore(meter, capsule, 3);
            Files.delete(folder.resolve("metrics").resolve(capsule.text() + ".metrics"));

            awaitMore(meter, capsule, 0);
        }
    }

    @Test
    void the_time_of_all_runs_is_added_up_and_goes_on_when_they_end() throws IOException {
        var self = running.getFirst();
        running = List.of();
        try (var meter = meter()) {
            awaitRound(meter);
            assertThat(meter.cpuTime()).isZero();
            assertThat(meter.memoryBytes()).isZero();

            running = List.of(self);
            awaitMore(meter, capsule, 1);
            var used = meter.cpuTime();
            assertThat(used).isPositive().isLessThan(usedByThisProcess().plusMillis(1));
            assertThat(meter.memoryBytes()).isPositive();

            running = List.of();
            awaitRound(meter);
            awaitRound(meter);
            assertThat(meter.cpuTime()).isGreaterThanOrEqualTo(used);
            assertThat(meter.memoryBytes()).isZero();
        }
        running = List.of(self);
        try (var meter = meter()) { // it was there before, so it counts from now on
            awaitMore(meter, capsule, meter.read(capsule, WINDOW).size() + 2);
            assertThat(meter.cpuTime()).isLessThan(usedByThisProcess().dividedBy(2));
        }
    }

    private Duration usedByThisProcess() {
        var self = ProcessIdentity.of(ProcessHandle.current().pid()).orElseThrow();
        return Duration.ofNanos(ProcessUsage.of(self).orElseThrow().cpuNanos());
    }

    @Test
    void what_is_forgotten_leaves_no_file_even_if_it_still_seems_to_run() {
        try (var meter = meter()) {
            awaitMore(meter, capsule, 1);
            running = List.of();
            meter.forget(capsule);
            Eventually.within(LIMIT, () -> meter.read(capsule, WINDOW).isEmpty());
        }
        assertThat(folder.resolve("metrics")).isEmptyDirectory();
    }

    @Test
    void files_of_capsules_that_are_gone_go_at_the_start() throws IOException {
        var metrics = Files.createDirectories(folder.resolve("metrics"));
        Files.createFile(metrics.resolve(CapsuleId.random().text() + ".metrics"));
        running = List.of();
        try (var meter = meter()) {
            Files.createFile(metrics.resolve(capsule.text() + ".metrics"));

            meter.retainOnly(Set.of(capsule));

            try (var left = Files.list(metrics)) {
                assertThat(left.map(f -> f.getFileName().toString()))
                        .containsExactly(capsule.text() + ".metrics");
            }
        }
    }

    @Test
    void a_process_that_is_gone_does_not_keep_others_from_being_measured() {
        var other = CapsuleId.random();
        var alive = running.getFirst();
        var gone = new ProcessIdentity(Integer.MAX_VALUE, 1);
        running =
                List.of(
                        new MeasuredRun(other, gone, 1, alive.disk(), Optional::empty),
                        new MeasuredRun(
                                CapsuleId.random(),
                                alive.process(),
                                1,
                                folder.resolve("no-such-disk"),
                                Optional::empty),
                        alive);

        try (var meter = meter()) {
            awaitMore(meter, capsule, 2);
            assertThat(meter.read(other, WINDOW)).isEmpty();
        }
    }
}
