package dev.wrenn.bench;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Progress;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.UndoStack;
import dev.wrenn.bench.Row.Bound;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Many commands that print at the same time: every byte must arrive. */
record Streams() implements Measurement {
    private static final int COUNT = 200;
    private static final int BYTES_EACH = 1 << 20;
    private static final long SENT_BYTES = (long) COUNT * BYTES_EACH;
    private static final String GATE = "/run/bench-gate";
    private static final Duration LIMIT = Duration.ofMinutes(10);

    @Override
    public List<Row> take(Laboratory lab, Progress progress) {
        try (var crew = Crew.create(lab, progress);
                var open = new UndoStack()) {
            crew.capsules().forEach(capsule -> lab.api().shell(capsule, "mkfifo " + GATE));
            var streams = open(lab, crew, open, progress);
            double seconds;
            int damaged = 0;
            long bytes = 0;
            try (var step = progress.start("Reading all of them at once", COUNT)) {
                var watch = Stopwatch.start();
                openGates(lab, crew);
                for (var stream : streams) {
                    var outcome = stream.await(LIMIT);
                    bytes += outcome.bytes();
                    if (!outcome.intact() || outcome.bytes() != BYTES_EACH) {
                        damaged++;
                    }
                    step.advance(1);
                }
                seconds = watch.elapsedNanos() / 1e9;
                step.done();
            }
            return List.of(
                    new Row(
                            "streams",
                            "%d exec streams at once over %d capsules whose bytes or SHA-256 differ"
                                            .formatted(COUNT, Crew.SIZE)
                                    + " at the two ends",
                            "none",
                            "",
                            damaged,
                            Bound.AT_MOST,
                            0,
                            Row.details(
                                    "MiB sent",
                                    mib(SENT_BYTES),
                                    "bytes missing",
                                    SENT_BYTES - bytes,
                                    "MiB/s",
                                    mib(bytes) / seconds,
                                    "all capsules created in ms",
                                    crew.createMillis())));
        }
    }

    /** Starts the commands, which then wait for their gate: all are open at the same time. */
    private static List<ExecStream> open(
            Laboratory lab, Crew crew, UndoStack open, Progress progress) {
        var streams = new ArrayList<ExecStream>();
        try (var step = progress.start("Opening %d exec streams".formatted(COUNT), COUNT)) {
            for (int i = 0; i < COUNT; i++) {
                var capsule = crew.capsules().get(i % Crew.SIZE);
                var line = ExecStream.line(BYTES_EACH, GATE);
                streams.add(open.hold(lab.api().stream(capsule, line)));
            }
            for (var stream : streams) {
                stream.awaitReady(LIMIT);
                step.advance(1);
            }
            step.done();
        }
        return streams;
    }

    /** To open a pipe for writing lets all go on that wait to read from it: fifo(7). */
    private static void openGates(Laboratory lab, Crew crew) {
        try (var forks = new Forks()) {
            var openings = new ArrayList<Forks.Fork<String>>();
            for (var capsule : crew.capsules()) {
                openings.add(forks.start("open", () -> lab.api().shell(capsule, ": >" + GATE)));
            }
            openings.forEach(opening -> opening.take(LIMIT));
        }
    }

    private static double mib(long bytes) {
        return bytes / 1048576.0;
    }
}
