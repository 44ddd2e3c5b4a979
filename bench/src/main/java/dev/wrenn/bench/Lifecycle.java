package dev.wrenn.bench;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Progress;
import dev.wrenn.bench.BareVms.Loading;
import dev.wrenn.bench.Row.Bound;
import java.util.ArrayList;
import java.util.List;

/**
 * Resumes, creates and pauses through the API, each next to its yardsticks.
 *
 * @param rounds how often what is short is measured, at least 1
 */
record Lifecycle(int rounds) implements Measurement {
    private static final int SMALL_MB = 256;
    private static final int LARGE_MB = 2048;

    /** Of capsules with a process that fills as much as is to be changed. */
    private static final int FILLED_MB = 512;

    private static final int BOOTS = 3;
    private static final List<Integer> DIRTY_MIB = List.of(1, 10, 50, 200);

    private static final double MAX_ABOVE_FLOOR_MS = 20;
    private static final double MAX_CREATE_RATIO = 1.2;
    private static final double MAX_SIZE_RATIO = 1.2;
    private static final double MIN_BOOT_RATIO = 15;
    private static final double PAUSE_BASE_MS = 60;
    private static final double PAUSE_MS_PER_MIB = 1.5;
    private static final double MAX_FAULTS_LEFT_PERCENT = 3;

    @Override
    public List<Row> take(Laboratory lab, Progress progress) {
        var series = new Series();
        lab.warmUp(SMALL_MB, progress);
        lab.warmUp(FILLED_MB, progress);
        lab.warmUp(LARGE_MB, progress);
        turns(lab, progress, series);
        for (int mib : DIRTY_MIB) {
            dirtyPauses(lab, progress, series, mib);
        }
        coldBoots(lab, progress, series);
        var rows = new ArrayList<Row>();
        rows.add(resume(series));
        rows.add(create(series));
        rows.add(size(series));
        rows.add(boot(series));
        rows.add(eager(series));
        rows.addAll(pauses(series));
        rows.add(faultsLeft(series));
        return rows;
    }

    /** Resumes and pauses of a small and a large capsule, each next to its yardsticks. */
    private void turns(Laboratory lab, Progress progress, Series series) {
        var api = lab.api();
        var small = api.create(SMALL_MB).id();
        var large = api.create(LARGE_MB).id();
        try (var step = progress.start("Pausing and resuming", rounds)) {
            api.pause(large);
            api.pause(small); // last, so that its snapshot is the newest
            for (int round = 0; round < rounds; round++) {
                bareRestores(lab, series);
                series.add("resume", api.resume(small).millis());
                series.add("resume_large", api.resume(large).millis());
                var created = api.create(SMALL_MB);
                series.add("create", created.millis());
                api.destroy(created.id());
                pause(lab, series, "large", large);
                pause(lab, series, "small", small);
                step.advance(1);
            }
            step.done();
        } finally {
            api.destroy(small);
            api.destroy(large);
        }
    }

    private static void bareRestores(Laboratory lab, Series series) {
        var snapshot = lab.newestSnapshot();
        var floor = lab.floor().measure(snapshot, lab.bare());
        series.add("floor", floor.readyMillis());
        series.add("floor_running", floor.runningMillis());
        series.add("floor_faults", (double) floor.faults());
        var onDemand = lab.bare().restore(snapshot, Loading.ON_DEMAND);
        series.add("on_demand", onDemand.readyMillis());
        series.add("faults_on_demand", (double) onDemand.faults().faults());
        var prefetched = lab.bare().restore(snapshot, Loading.WORKING_SET);
        series.add("prefetched", prefetched.readyMillis());
        series.add("faults_prefetched", (double) prefetched.faults().faults());
        series.add("eager", lab.bare().restore(snapshot, Loading.EVERYTHING).readyMillis());
    }

    private static void pause(Laboratory lab, Series series, String name, String capsule) {
        series.add("pause_" + name, lab.api().pause(capsule).millis());
        double written = mib(lab.newestSnapshot().writtenBytes());
        series.add("pause_" + name + "_mib", written);
        series.add("pause_" + name + "_plain", PlainWrite.millis(lab.scratch(), written));
    }

    /** A process in the guest holds that much memory that was not there at the resume. */
    private static void dirtyPauses(Laboratory lab, Progress progress, Series series, int mib) {
        var api = lab.api();
        try (var step = progress.start("Pausing with " + mib + " MiB changed", BOOTS)) {
            for (int round = 0; round < BOOTS; round++) {
                var capsule = api.create(FILLED_MB).id();
                try {
                    api.fill(capsule, mib);
                    pause(lab, series, "dirty_" + mib, capsule);
                } finally {
                    api.destroy(capsule);
                }
                step.advance(1);
            }
            step.done();
        }
    }

    private static void coldBoots(Laboratory lab, Progress progress, Series series) {
        try (var step = progress.start("Booting cold", BOOTS)) {
            for (int i = 0; i < BOOTS; i++) {
                series.add("cold_boot", lab.bare().coldBoot(ByteSize.mib(SMALL_MB)));
                step.advance(1);
            }
            step.done();
        }
    }

    private static Row resume(Series series) {
        return new Row(
                "resume",
                "resume of a 256 MiB capsule, request to answer, guest agent answering",
                "≤ the VMM floor + 20 ms",
                "ms",
                series.median("resume"),
                Bound.AT_MOST,
                series.median("floor") + MAX_ABOVE_FLOOR_MS,
                Row.details(
                        "resume ms", series.shown("resume"),
                        "floor ms", series.shown("floor"),
                        "floor until vCPUs run ms", series.shown("floor_running"),
                        "floor faults", series.shown("floor_faults"),
                        "monitor and pager alone ms", series.shown("prefetched")));
    }

    private static Row create(Series series) {
        return Row.ratio(
                "create",
                "create from a warm template against resume",
                "≤ 1.2 ×",
                series.median("create") / series.median("resume"),
                Bound.AT_MOST,
                MAX_CREATE_RATIO,
                Row.details(
                        "create ms", series.shown("create"), "resume ms", series.shown("resume")));
    }

    private static Row size(Series series) {
        return Row.ratio(
                "size",
                "resume of a 2 GiB capsule against 256 MiB",
                "≤ 1.2 ×",
                series.median("resume_large") / series.median("resume"),
                Bound.AT_MOST,
                MAX_SIZE_RATIO,
                Row.details(
                        "2 GiB ms", series.shown("resume_large"),
                        "256 MiB ms", series.shown("resume")));
    }

    private static Row boot(Series series) {
        return Row.ratio(
                "cold-boot",
                "cold boot against resume",
                "≥ 15 ×",
                series.median("cold_boot") / series.median("resume"),
                Bound.AT_LEAST,
                MIN_BOOT_RATIO,
                Row.details(
                        "cold boot ms", series.shown("cold_boot"),
                        "resume ms", series.shown("resume")));
    }

    private static Row eager(Series series) {
        return Row.ratio(
                "eager-load",
                "loading all 256 MiB before the guest runs against loading on demand with a"
                        + " working set",
                "≥ 1 ×",
                series.median("eager") / series.median("prefetched"),
                Bound.AT_LEAST,
                1,
                Row.details(
                        "all first ms", series.shown("eager"),
                        "working set ms", series.shown("prefetched"),
                        "no working set ms", series.shown("on_demand")));
    }

    private static List<Row> pauses(Series series) {
        var rows = new ArrayList<Row>();
        rows.add(pauseRow(series, "small", "pause of a 256 MiB capsule that did little"));
        rows.add(pauseRow(series, "large", "pause of a 2 GiB capsule that did little"));
        for (int mib : DIRTY_MIB) {
            rows.add(
                    pauseRow(
                            series,
                            "dirty_" + mib,
                            "pause of a 512 MiB capsule whose process filled " + mib + " MiB"));
        }
        return rows;
    }

    private static Row pauseRow(Series series, String name, String what) {
        double written = series.median("pause_" + name + "_mib");
        return new Row(
                "pause-" + name.replace('_', '-'),
                what,
                "≤ 60 ms + 1.5 ms per MiB written",
                "ms",
                series.median("pause_" + name),
                Bound.AT_MOST,
                PAUSE_BASE_MS + PAUSE_MS_PER_MIB * written,
                Row.details(
                        "pause ms", series.shown("pause_" + name),
                        "written MiB", series.shown("pause_" + name + "_mib"),
                        "plain write and sync of as much ms",
                                series.shown("pause_" + name + "_plain")));
    }

    private static Row faultsLeft(Series series) {
        return new Row(
                "faults-left",
                "faults until the guest agent answers with a working set against without",
                "≤ 3 %",
                "%",
                100 * series.median("faults_prefetched") / series.median("faults_on_demand"),
                Bound.AT_MOST,
                MAX_FAULTS_LEFT_PERCENT,
                Row.details(
                        "with", series.shown("faults_prefetched"),
                        "without", series.shown("faults_on_demand")));
    }

    private static double mib(long bytes) {
        return bytes / 1048576.0;
    }
}
