package dev.wrenn.host.capsule;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.WrennException;
import dev.wrenn.pager.MemoryFile;
import dev.wrenn.pager.PageSink;
import dev.wrenn.snapshot.LayerWriter;
import dev.wrenn.snapshot.ManifestFacts;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.snapshot.Snapshot;
import dev.wrenn.snapshot.SnapshotDraft;
import dev.wrenn.snapshot.SnapshotId;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Saves a running capsule as a snapshot: what changed in memory since it was resumed, its disk, and
 * the state of its devices, all of one instant.
 *
 * <p>The VM stays whole until the caller has committed the result: if anything fails here the vCPUs
 * run on and the snapshot it came from is untouched.
 */
public final class PausePath {
    private static final Logger LOG = LoggerFactory.getLogger(PausePath.class);
    private static final Duration QUIESCE_LIMIT = Duration.ofSeconds(3);

    private final Machinery machinery;

    /** Works with these mechanisms. */
    public PausePath(Machinery machinery) {
        this.machinery = machinery;
    }

    /**
     * What the new snapshot's manifest says besides its files.
     *
     * @param template name of the template it descends from
     * @param attributes free facts, the guest agent's token among them
     */
    public record Facts(
            String template, int vcpus, ByteSize memory, Map<String, String> attributes) {}

    /**
     * Freezes the VM and saves it.
     *
     * @return the sealed snapshot, while the VM is still there, frozen
     */
    Snapshot save(RunningCapsule run, Facts facts, Deadline deadline) {
        var watch = Stopwatch.start();
        machinery.steps().before(PauseStep.QUIESCE);
        quiesce(run, deadline);
        var quiet = watch.elapsed();
        run.pages().stopRecording();
        try {
            machinery.steps().before(PauseStep.FREEZE);
            run.vm().freeze(deadline);
            var snapshot = seal(run, facts, deadline);
            LOG.atInfo()
                    .addKeyValue("capsule", run.capsule())
                    .addKeyValue("quiesce_ms", quiet.toMillis())
                    .addKeyValue("sealed_ms", watch.elapsed().toMillis())
                    .addKeyValue("layer_bytes", snapshot.writtenBytes())
                    .log("capsule saved");
            return snapshot;
        } catch (RuntimeException e) {
            thaw(run, e);
            throw e;
        }
    }

    /** Lets a frozen VM run on after a failure; what fails here is added to that failure. */
    void thaw(RunningCapsule run, RuntimeException because) {
        try {
            run.vm().resume(Deadline.after(machinery.config().startLimit()));
        } catch (WrennException e) {
            because.addSuppressed(e);
        }
    }

    private Snapshot seal(RunningCapsule run, Facts facts, Deadline deadline) {
        var base = run.base().map(machinery.store()::open);
        try (var draft = machinery.store().draft(SnapshotId.random())) {
            save(run, draft, base, facts, deadline);
            keepWorkingSet(run, draft);
            deadline.check("pausing capsule " + run.capsule());
            machinery.steps().before(PauseStep.SEAL);
            return draft.seal(
                    new ManifestFacts(
                            base.map(Snapshot::id),
                            machinery.clock().instant(),
                            machinery.vmm().kind().name(),
                            machinery.vmm().version(),
                            facts.vcpus(),
                            facts.memory(),
                            machinery.images().kernelVersion(),
                            facts.template(),
                            attributes(facts)));
        }
    }

    private void save(
            RunningCapsule run,
            SnapshotDraft draft,
            Optional<Snapshot> base,
            Facts facts,
            Deadline deadline) {
        Supplier<Capture> memory =
                () -> {
                    machinery.steps().before(PauseStep.MEMORY);
                    return new Capture(
                            draft.memory(base, facts.memory().bytes() / PageSource.PAGE_BYTES));
                };
        switch (machinery.vmm().memoryReader()) {
            case PAGE_SERVER -> saveSideBySide(run, draft, memory, deadline);
            case VMM -> saveStateFirst(run, draft, memory, deadline);
        }
    }

    /** Disk, VM state and memory side by side; whatever fails, all three have ended. */
    private void saveSideBySide(
            RunningCapsule run, SnapshotDraft draft, Supplier<Capture> memory, Deadline deadline) {
        try (var forks = new Forks()) {
            var cloning = forks.start("clone disk", () -> cloneDisk(run, draft));
            var saving = forks.start("save VM state", () -> saveState(run, draft, deadline));
            try {
                run.pages().capture(memory.get());
            } finally {
                // A save that is cut short leaves the VMM in the middle of it: let it end.
                saving.await(deadline.left());
            }
            saving.take(deadline.left());
            cloning.take(deadline.left());
        }
    }

    /**
     * A VMM that writes the memory itself may still work off writes to the disk that the guest had
     * asked for. Those that its state calls done are in the disk once the state is saved, and those
     * that come later are in the state as well.
     */
    private void saveStateFirst(
            RunningCapsule run, SnapshotDraft draft, Supplier<Capture> memory, Deadline deadline) {
        var written = saveState(run, draft, deadline);
        try (var forks = new Forks()) {
            var cloning = forks.start("clone disk", () -> cloneDisk(run, draft));
            MemoryFile.read(written.orElseThrow(), memory.get());
            cloning.take(deadline.left());
        }
    }

    private Path cloneDisk(RunningCapsule run, SnapshotDraft draft) {
        machinery.steps().before(PauseStep.DISK);
        machinery.disks().cloneDisk(run.disk(), draft.disk());
        return draft.disk();
    }

    private Optional<Path> saveState(RunningCapsule run, SnapshotDraft draft, Deadline deadline) {
        machinery.steps().before(PauseStep.VM_STATE);
        return run.vm().saveState(draft.vmState(), deadline);
    }

    /** Only a hint to the next resume, so no reason to fail. */
    private void keepWorkingSet(RunningCapsule run, SnapshotDraft draft) {
        try {
            machinery.steps().before(PauseStep.WORKING_SET);
            draft.workingSet(run.pages().firstTouches());
        } catch (WrennException e) {
            LOG.atWarn()
                    .setCause(e)
                    .addKeyValue("capsule", run.capsule())
                    .log("the next resume does not know what to prefetch");
        }
    }

    private void quiesce(RunningCapsule run, Deadline deadline) {
        try {
            run.guest().quiesce(deadline.atMost(QUIESCE_LIMIT));
        } catch (WrennException e) {
            // Memory and disk are saved at one instant, so the snapshot is whole without it: a
            // guest that is too busy to answer must still be pausable.
            LOG.atWarn()
                    .setCause(e)
                    .addKeyValue("capsule", run.capsule())
                    .log("guest did not quiesce, pausing all the same");
        }
    }

    /** Hands what the pager finds to the layer. */
    private record Capture(LayerWriter layer) implements PageSink {
        @Override
        public void pages(long firstPage, MemorySegment bytes) {
            layer.pages(firstPage, bytes);
        }

        @Override
        public void zero(long firstPage, long count) {
            layer.zero(firstPage, count);
        }
    }

    /** Where a snapshot's manifest says which VMMs can go on with it. */
    static final String STATE_FORMAT = "state_format";

    private Map<String, String> attributes(Facts facts) {
        var all = new HashMap<>(facts.attributes());
        all.put(STATE_FORMAT, machinery.vmm().stateFormat());
        return all;
    }

    /** Where a snapshot's guest agent token is kept in its manifest. */
    static final String TOKEN = "guest_token";

    /** The token the guest agent in that snapshot holds. */
    static Optional<String> tokenOf(Snapshot snapshot) {
        return Optional.ofNullable(snapshot.manifest().attributes().get(TOKEN));
    }
}
