package dev.wrenn.bench;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Progress;
import dev.wrenn.bench.BareVms.Loading;
import dev.wrenn.bench.Row.Bound;
import dev.wrenn.contract.TemplateId;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Takes every number of the specification. What is compared is measured in turns, so that a busy
 * moment of the machine meets both sides.
 */
final class Measurements {
    private static final int SMALL_MB = 256;
    private static final int LARGE_MB = 2048;
    private static final int BOOTS = 3;
    private static final int RACES = 11;
    private static final List<Integer> DIRTY_MIB = List.of(16, 64);
    private static final Duration SETTLING = Duration.ofSeconds(3);
    private static final Duration WINDOW = Duration.ofSeconds(10);

    private static final double MAX_ABOVE_FLOOR_MS = 20;
    private static final double MAX_CREATE_RATIO = 1.2;
    private static final double MAX_SIZE_RATIO = 1.2;
    private static final double MIN_BOOT_RATIO = 15;
    private static final double PAUSE_BASE_MS = 60;
    private static final double PAUSE_MS_PER_MIB = 1.5;
    private static final double MAX_FAULT_RATIO = 1.1;
    private static final double MAX_FAULTS_LEFT_PERCENT = 3;
    private static final double MAX_IDLE_PSS_MIB = 30;
    private static final double MAX_IDLE_CPU_PERCENT = 0.5;

    private final Laboratory lab;
    private final Progress progress;
    private final int rounds;

    Measurements(Laboratory lab, Progress progress, int rounds) {
        this.lab = lab;
        this.progress = progress;
        this.rounds = rounds;
    }

    /** Values of one name, in the order in which they were taken. */
    private static final class Series {
        private final Map<String, List<Double>> values = new LinkedHashMap<>();

        void add(String name, double value) {
            values.computeIfAbsent(name, _ -> new ArrayList<>()).add(value);
        }

        double median(String name) {
            return samples(name).median();
        }

        /** For people: median and range. */
        String shown(String name) {
            var samples = samples(name);
            return String.format(
                    Locale.ROOT,
                    "%.1f (%.1f to %.1f, %d times)",
                    samples.median(),
                    samples.least(),
                    samples.most(),
                    samples.count());
        }

        private Samples samples(String name) {
            return Samples.of(values.getOrDefault(name, List.of()));
        }
    }

    /** Takes all of them; the capsules that it makes are gone when it returns. */
    List<Row> all(Path checkout) {
        bootTemplates();
        var series = new Series();
        lifecycle(series);
        coldBoots(series);
        idle(series);
        var rows = new ArrayList<Row>();
        rows.add(resume(series));
        rows.add(create(series));
        rows.add(size(series));
        rows.add(boot(series));
        rows.add(eager(series));
        rows.addAll(pauses(series));
        rows.addAll(faultRace(checkout));
        rows.add(faultsLeft(series));
        rows.addAll(idleRows(series));
        return rows;
    }

    private void bootTemplates() {
        for (int memoryMb : List.of(SMALL_MB, LARGE_MB)) {
            try (var step = progress.start("Booting the template at " + memoryMb + " MiB", 0)) {
                lab.host().warmUp(TemplateId.MINIMAL, 1, memoryMb);
                step.done();
            }
        }
    }

    /** Resumes and pauses of a small and a large capsule, each next to its yardsticks. */
    private void lifecycle(Series series) {
        var api = lab.api();
        var small = api.create(SMALL_MB).id();
        var large = api.create(LARGE_MB).id();
        try (var step = progress.start("Pausing and resuming", rounds)) {
            api.pause(large);
            api.pause(small); // last, so that its snapshot is the newest
            for (int round = 0; round < rounds; round++) {
                bareRestores(series);
                series.add("resume", api.resume(small).millis());
                series.add("resume_large", api.resume(large).millis());
                var created = api.create(SMALL_MB);
                series.add("create", created.millis());
                api.destroy(created.id());
                pause(series, "large", large);
                pause(series, "small", small);
                step.advance(1);
            }
            step.done();
        } finally {
            api.destroy(small);
            api.destroy(large);
        }
        for (int mib : DIRTY_MIB) {
            dirtyPauses(series, mib);
        }
    }

    private void bareRestores(Series series) {
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

    private void pause(Series series, String name, String capsule) {
        series.add("pause_" + name, lab.api().pause(capsule).millis());
        double written = mib(lab.newestSnapshot().writtenBytes());
        series.add("pause_" + name + "_mib", written);
        series.add("pause_" + name + "_plain", PlainWrite.millis(lab.scratch(), written));
    }

    /** A process in the guest holds that much memory that was not there at the resume. */
    private void dirtyPauses(Series series, int mib) {
        var api = lab.api();
        try (var step = progress.start("Pausing with " + mib + " MiB changed", BOOTS)) {
            for (int round = 0; round < BOOTS; round++) {
                var capsule = api.create(SMALL_MB).id();
                try {
                    api.background(
                            capsule,
                            "python3",
                            List.of(
                                    "-c",
                                    "import os, time; held = [os.urandom(1 << 20) for _ in range(%d)];"
                                                    .formatted(mib)
                                            + " open('/run/held', 'w').close(); time.sleep(3600)"));
                    api.shell(
                            capsule,
                            "n=0; until [ -e /run/held ]; do n=$((n+1)); [ $n -lt 1200 ] || exit 1;"
                                    + " sleep 0.05; done");
                    pause(series, "dirty_" + mib, capsule);
                } finally {
                    api.destroy(capsule);
                }
                step.advance(1);
            }
            step.done();
        }
    }

    private void coldBoots(Series series) {
        try (var step = progress.start("Booting cold", BOOTS)) {
            for (int i = 0; i < BOOTS; i++) {
                series.add("cold_boot", lab.bare().coldBoot(ByteSize.mib(SMALL_MB)));
                step.advance(1);
            }
            step.done();
        }
    }

    private void idle(Series series) {
        var capsule = lab.api().create(SMALL_MB).id();
        try (var step = progress.start("Watching an idle capsule", 0)) {
            var cost = VmmProcess.of(capsule).idle(ByteSize.mib(SMALL_MB), SETTLING, WINDOW);
            series.add("idle_guest", cost.guestMib());
            series.add("idle_translated", cost.translatedMib());
            series.add("idle_own", cost.ownMib());
            series.add("idle_cpu", cost.cpuPercent());
            step.done();
        } finally {
            lab.api().destroy(capsule);
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
                details(
                        "resume ms", series.shown("resume"),
                        "floor ms", series.shown("floor"),
                        "floor until vCPUs run ms", series.shown("floor_running"),
                        "floor faults", series.shown("floor_faults"),
                        "monitor and pager alone ms", series.shown("prefetched")));
    }

    private static Row create(Series series) {
        return ratio(
                "create",
                "create from a warm template against resume",
                "≤ 1.2 ×",
                series.median("create") / series.median("resume"),
                Bound.AT_MOST,
                MAX_CREATE_RATIO,
                details("create ms", series.shown("create"), "resume ms", series.shown("resume")));
    }

    private static Row size(Series series) {
        return ratio(
                "size",
                "resume of a 2 GiB capsule against 256 MiB",
                "≤ 1.2 ×",
                series.median("resume_large") / series.median("resume"),
                Bound.AT_MOST,
                MAX_SIZE_RATIO,
                details(
                        "2 GiB ms", series.shown("resume_large"),
                        "256 MiB ms", series.shown("resume")));
    }

    private static Row boot(Series series) {
        return ratio(
                "cold-boot",
                "cold boot against resume",
                "≥ 15 ×",
                series.median("cold_boot") / series.median("resume"),
                Bound.AT_LEAST,
                MIN_BOOT_RATIO,
                details(
                        "cold boot ms", series.shown("cold_boot"),
                        "resume ms", series.shown("resume")));
    }

    private static Row eager(Series series) {
        return ratio(
                "eager-load",
                "loading all 256 MiB before the guest runs against loading on demand with a"
                        + " working set",
                "≥ 1 ×",
                series.median("eager") / series.median("prefetched"),
                Bound.AT_LEAST,
                1,
                details(
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
                            "pause of a 256 MiB capsule whose process filled " + mib + " MiB"));
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
                details(
                        "pause ms", series.shown("pause_" + name),
                        "written MiB", series.shown("pause_" + name + "_mib"),
                        "plain write and sync of as much ms",
                                series.shown("pause_" + name + "_plain")));
    }

    private List<Row> faultRace(Path checkout) {
        try (var step = progress.start("Serving faults in Java and in C", 0)) {
            var outcome = FaultRace.run(checkout, lab.scratch(), RACES);
            step.done();
            double javaP50 = FaultRace.Outcome.medianP50(outcome.java());
            double javaP99 = FaultRace.Outcome.medianP99(outcome.java());
            double cP50 = FaultRace.Outcome.medianP50(outcome.c());
            double cP99 = FaultRace.Outcome.medianP99(outcome.c());
            return List.of(
                    ratio(
                            "fault-p50",
                            "service of a page fault against a handler in C, p50",
                            "≤ 1.1 ×",
                            javaP50 / cP50,
                            Bound.AT_MOST,
                            MAX_FAULT_RATIO,
                            details("pager ns", javaP50, "C ns", cP50)),
                    ratio(
                            "fault-p99",
                            "service of a page fault against a handler in C, p99",
                            "≤ 1.1 ×",
                            javaP99 / cP99,
                            Bound.AT_MOST,
                            MAX_FAULT_RATIO,
                            details("pager ns", javaP99, "C ns", cP99)));
        }
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
                details(
                        "with", series.shown("faults_prefetched"),
                        "without", series.shown("faults_on_demand")));
    }

    private static List<Row> idleRows(Series series) {
        return List.of(
                new Row(
                        "idle-memory",
                        "memory of an idle 256 MiB capsule's VMM process (PSS)",
                        "≤ 30 MiB",
                        "MiB",
                        series.median("idle_guest")
                                + series.median("idle_translated")
                                + series.median("idle_own"),
                        Bound.AT_MOST,
                        MAX_IDLE_PSS_MIB,
                        details(
                                "of the guest MiB", series.shown("idle_guest"),
                                "the VMM's own MiB", series.shown("idle_own"),
                                "code translated by the emulator MiB",
                                        series.shown("idle_translated"),
                                "settled for s", SETTLING.toSeconds())),
                new Row(
                        "idle-cpu",
                        "processor time of an idle 256 MiB capsule's VMM process",
                        "≤ 0.5 % of a core",
                        "%",
                        series.median("idle_cpu"),
                        Bound.AT_MOST,
                        MAX_IDLE_CPU_PERCENT,
                        details("watched for s", WINDOW.toSeconds())));
    }

    private static Row ratio(
            String id,
            String what,
            String target,
            double value,
            Bound bound,
            double limit,
            Map<String, Object> details) {
        return new Row(id, what, target, "×", value, bound, limit, details);
    }

    private static Map<String, Object> details(Object... namesAndValues) {
        var details = new LinkedHashMap<String, Object>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            details.put(namesAndValues[i].toString(), namesAndValues[i + 1]);
        }
        return details;
    }

    private static double mib(long bytes) {
        return bytes / 1048576.0;
    }
}
