package dev.wrenn.bench;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Progress;
import dev.wrenn.bench.Row.Bound;
import java.time.Duration;
import java.util.List;

/** What a capsule costs that is left alone. */
record Idle() implements Measurement {
    private static final int MEMORY_MB = 256;
    private static final Duration SETTLING = Duration.ofSeconds(3);
    private static final Duration WINDOW = Duration.ofSeconds(10);
    private static final double MAX_PSS_MIB = 30;
    private static final double MAX_CPU_PERCENT = 0.5;

    @Override
    public List<Row> take(Laboratory lab, Progress progress) {
        lab.warmUp(MEMORY_MB, progress);
        var capsule = lab.api().create(MEMORY_MB).id();
        try (var step = progress.start("Watching an idle capsule", 0)) {
            var cost = VmmProcess.of(capsule).idle(ByteSize.mib(MEMORY_MB), SETTLING, WINDOW);
            step.done();
            return List.of(memory(cost), processor(cost));
        } finally {
            lab.api().destroy(capsule);
        }
    }

    private static Row memory(VmmProcess.Cost cost) {
        return new Row(
                "idle-memory",
                "memory of an idle 256 MiB capsule's VMM process (PSS)",
                "≤ 30 MiB",
                "MiB",
                cost.guestMib() + cost.translatedMib() + cost.ownMib(),
                Bound.AT_MOST,
                MAX_PSS_MIB,
                Row.details(
                        "of the guest MiB", cost.guestMib(),
                        "the VMM's own MiB", cost.ownMib(),
                        "code translated by the emulator MiB", cost.translatedMib(),
                        "settled for s", SETTLING.toSeconds()));
    }

    private static Row processor(VmmProcess.Cost cost) {
        return new Row(
                "idle-cpu",
                "processor time of an idle 256 MiB capsule's VMM process",
                "≤ 0.5 % of a core",
                "%",
                cost.cpuPercent(),
                Bound.AT_MOST,
                MAX_CPU_PERCENT,
                Row.details("watched for s", WINDOW.toSeconds()));
    }
}
