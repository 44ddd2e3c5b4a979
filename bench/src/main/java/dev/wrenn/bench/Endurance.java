package dev.wrenn.bench;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Pause;
import dev.wrenn.base.Progress;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.WrennException;
import dev.wrenn.bench.Row.Bound;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

/**
 * All kinds of work for a long time; what the process holds must not grow.
 *
 * @param time how long
 */
record Endurance(Duration time) implements Measurement {
    private static final double MAX_GROWTH = 1.1;
    private static final Duration LIMIT = Duration.ofMinutes(5);
    private static final Duration INTERVAL = Duration.ofSeconds(5);
    private static final int STREAM_BYTES = 64 << 10;
    private static final int SHOWN_FAILURES = 3;

    /** Caches fill and code is compiled in the first part, so the beginning is what comes next. */
    private static final int PARTS = 5;

    private static final Path OPEN_FILES = Path.of("/proc/self/fd");

    /** What the workers have done so far. */
    private static final class Tally {
        private final AtomicLong done = new AtomicLong();
        private final ConcurrentLinkedQueue<String> failures = new ConcurrentLinkedQueue<>();
        private final AtomicBoolean over = new AtomicBoolean();

        void repeat(Runnable work) {
            while (!over.get()) {
                try {
                    work.run();
                    done.incrementAndGet();
                } catch (WrennException e) {
                    failures.add(e.toString());
                }
            }
        }
    }

    @Override
    public List<Row> take(Laboratory lab, Progress progress) {
        try (var crew = Crew.create(lab, progress)) {
            var tally = new Tally();
            var series = new Series();
            try (var forks = new Forks()) {
                var workers = new ArrayList<Forks.Fork<Boolean>>();
                for (var work : work(lab, crew)) {
                    workers.add(
                            forks.start(
                                    "work",
                                    () -> {
                                        tally.repeat(work);
                                        return true;
                                    }));
                }
                watch(series, progress);
                tally.over.set(true);
                workers.forEach(worker -> worker.take(LIMIT));
            }
            return rows(series, tally);
        }
    }

    /** What is done side by side; two capsules go to sleep and wake up, the others work. */
    private static List<Runnable> work(Laboratory lab, Crew crew) {
        var api = lab.api();
        var sleepers = crew.capsules().subList(0, 2);
        var workers = crew.capsules().subList(2, Crew.SIZE);
        var turn = new AtomicLong();
        return List.of(
                () -> api.get("/v1/capsules"),
                () -> api.shell(next(workers, turn), "echo hello"),
                () -> stream(api, next(workers, turn)),
                () -> {
                    for (var capsule : sleepers) {
                        api.pause(capsule);
                        api.resume(capsule);
                    }
                },
                () -> api.destroy(api.create(Crew.MEMORY_MB).id()));
    }

    private static String next(List<String> capsules, AtomicLong turn) {
        return capsules.get((int) (turn.getAndIncrement() % capsules.size()));
    }

    private static void stream(Api api, String capsule) {
        try (var stream = api.stream(capsule, ExecStream.line(STREAM_BYTES, "/dev/null"))) {
            var outcome = stream.await(LIMIT);
            if (!outcome.intact() || outcome.bytes() != STREAM_BYTES) {
                throw BenchFailed.because("a stream lost bytes: " + outcome);
            }
        }
    }

    private void watch(Series series, Progress progress) {
        try (var step = progress.start("Working without a pause", time.toSeconds())) {
            var watch = Stopwatch.start();
            while (watch.elapsedNanos() < time.toNanos()) {
                Pause.until(() -> false, INTERVAL, Deadline.after(INTERVAL));
                int part = (int) Math.min(PARTS - 1, PARTS * watch.elapsedNanos() / time.toNanos());
                series.add("heap" + part, heapMib());
                series.add("files" + part, openFiles());
                series.add("threads" + part, ManagementFactory.getThreadMXBean().getThreadCount());
                step.advance(INTERVAL.toSeconds());
            }
            step.done();
        }
    }

    /** What is in use after a collection. */
    private static double heapMib() {
        var memory = ManagementFactory.getMemoryMXBean();
        memory.gc();
        return memory.getHeapMemoryUsage().getUsed() / 1048576.0;
    }

    private static double openFiles() {
        try (var files = Files.list(OPEN_FILES)) {
            return files.count();
        } catch (IOException e) {
            throw BenchFailed.because("cannot count open files", e);
        }
    }

    private List<Row> rows(Series series, Tally tally) {
        return List.of(
                growth("heap", "heap in use after a collection", "MiB", series),
                growth("files", "open files", "", series),
                growth("threads", "platform threads", "", series),
                new Row(
                        "endurance-failures",
                        "requests that failed in these %d minutes".formatted(time.toMinutes()),
                        "none",
                        "",
                        tally.failures.size(),
                        Bound.AT_MOST,
                        0,
                        Row.details(
                                "requests, streams and cycles done", tally.done.get(),
                                "failures",
                                        tally.failures.stream().limit(SHOWN_FAILURES).toList())));
    }

    private Row growth(String name, String what, String unit, Series series) {
        var first = name + 1;
        var last = name + (PARTS - 1);
        return Row.ratio(
                "endurance-" + name,
                "%s in the last fifth of %d minutes of work against the second"
                        .formatted(what, time.toMinutes()),
                "≤ 1.1 ×",
                series.median(last) / series.median(first),
                Bound.AT_MOST,
                MAX_GROWTH,
                Row.details(
                        ("second fifth " + unit).strip(), series.shown(first),
                        ("last fifth " + unit).strip(), series.shown(last)));
    }
}
