package dev.wrenn.bench;

import dev.wrenn.base.Progress;
import dev.wrenn.bench.Row.Bound;
import dev.wrenn.contract.CapsuleId;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** How long a capsule that is saved while it runs stands still, and what forks take. */
record Checkpoints() implements Measurement {
    private static final List<Integer> CHANGED_MIB = List.of(1, 10, 50, 200);
    private static final int SAVED_MB = 512;
    private static final int TIMES = 5;
    private static final List<Integer> FORKS = List.of(1, 10, 100);
    private static final int FORKED_MB = 128;

    private static final double STALL_BASE_MS = 50;
    private static final double STALL_MS_PER_MIB = 1;
    private static final double MAX_FORK_RATIO = 1.2;

    @Override
    public List<Row> take(Laboratory lab, Progress progress) {
        var rows = new ArrayList<Row>();
        lab.warmUp(SAVED_MB, progress);
        for (int mib : CHANGED_MIB) {
            rows.add(stall(lab, progress, mib));
        }
        lab.warmUp(FORKED_MB, progress);
        for (int count : FORKS) {
            rows.add(forks(lab, progress, count));
        }
        return rows;
    }

    /** Each time in a capsule of its own: what counts is what has changed since its start. */
    private static Row stall(Laboratory lab, Progress progress, int mib) {
        var series = new Series();
        try (var step = progress.start("Saving with " + mib + " MiB changed", TIMES)) {
            for (int time = 0; time < TIMES; time++) {
                var capsule = lab.api().create(SAVED_MB).id();
                try {
                    lab.api().fill(capsule, mib);
                    series.add("answer", lab.api().checkpoint(capsule).millis());
                    var facts = lab.host().describe(new CapsuleId(capsule)).versions();
                    series.add("frozen", Double.parseDouble(facts.get("frozen_ms")));
                    series.add("written", Double.parseDouble(facts.get("layer_bytes")) / 1048576.0);
                } finally {
                    lab.api().destroy(capsule);
                }
                step.advance(1);
            }
            step.done();
        }
        return new Row(
                "checkpoint-stall-" + mib,
                "how long a running capsule stands still for a checkpoint after its process filled "
                        + mib
                        + " MiB",
                "≤ 50 ms + 1 ms per MiB filled",
                "ms",
                series.median("frozen"),
                Bound.AT_MOST,
                STALL_BASE_MS + STALL_MS_PER_MIB * mib,
                Row.details(
                        "frozen ms", series.shown("frozen"),
                        "request to answer ms", series.shown("answer"),
                        "written MiB", series.shown("written")));
    }

    /** Forks of a paused capsule, all in one request, against creating capsules in turns. */
    private static Row forks(Laboratory lab, Progress progress, int count) {
        var series = new Series();
        var api = lab.api();
        var started = new ArrayList<String>();
        try (var step = progress.start("Forking " + count + " times", count)) {
            for (int time = 0; time < TIMES; time++) {
                var created = api.create(FORKED_MB);
                started.add(created.id());
                series.add("create", created.millis());
            }
            var parent = started.getFirst();
            api.pause(parent);
            var answer = api.fork(parent, count);
            for (var fork : answer.body().path("forks")) {
                if (fork.has("capsule")) {
                    started.add(fork.path("capsule").path("id").asText());
                }
            }
            int forks = started.size() - TIMES;
            double each = answer.millis() / Math.max(1, forks);
            step.advance(forks);
            step.done();
            double memory =
                    started.stream()
                            .skip(TIMES)
                            .mapToDouble(id -> VmmProcess.of(id).proportionalMib())
                            .average()
                            .orElse(0);
            return Row.ratio(
                    "fork-" + count,
                    String.format(Locale.ROOT, "a fork of a 128 MiB capsule, of %d at once", count)
                            + ", against a create",
                    "≤ 1.2 ×",
                    forks == count ? each / series.median("create") : Double.POSITIVE_INFINITY,
                    Bound.AT_MOST,
                    MAX_FORK_RATIO,
                    Row.details(
                            "started", forks,
                            "all ms", answer.millis(),
                            "each ms", each,
                            "create ms", series.shown("create"),
                            "memory of each VMM process MiB (PSS)", memory));
        } finally {
            started.forEach(api::destroy);
        }
    }
}
