package dev.wrenn.bench;

import dev.wrenn.base.Progress;
import dev.wrenn.bench.Row.Bound;
import java.nio.file.Path;
import java.util.List;

/**
 * The pager against a handler in C, on the same pages.
 *
 * @param checkout of the sources, whose handler is compiled
 */
record Faults(Path checkout) implements Measurement {
    private static final int RACES = 11;
    private static final double MAX_FAULT_RATIO = 1.1;

    @Override
    public List<Row> take(Laboratory lab, Progress progress) {
        try (var step = progress.start("Serving faults in Java and in C", 0)) {
            var outcome = FaultRace.run(checkout, lab.scratch(), RACES);
            step.done();
            double javaP50 = FaultRace.Outcome.medianP50(outcome.java());
            double javaP99 = FaultRace.Outcome.medianP99(outcome.java());
            double cP50 = FaultRace.Outcome.medianP50(outcome.c());
            double cP99 = FaultRace.Outcome.medianP99(outcome.c());
            return List.of(
                    Row.ratio(
                            "fault-p50",
                            "service of a page fault against a handler in C, p50",
                            "≤ 1.1 ×",
                            javaP50 / cP50,
                            Bound.AT_MOST,
                            MAX_FAULT_RATIO,
                            Row.details("pager ns", javaP50, "C ns", cP50)),
                    Row.ratio(
                            "fault-p99",
                            "service of a page fault against a handler in C, p99",
                            "≤ 1.1 ×",
                            javaP99 / cP99,
                            Bound.AT_MOST,
                            MAX_FAULT_RATIO,
                            Row.details("pager ns", javaP99, "C ns", cP99)));
        }
    }
}
