package dev.wrenn.host.capsule;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.FileSync;
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
 * <p>Which pages have changed is always asked since the resume, never since the last checkpoint:
 * the marks of the kernel are not reset, so that a checkpoint that fails, or a host agent that dies
 * in the middle of one, takes nothing away from the next. What a checkpoint since then holds
 * already is found equal and dropped.
 *
 * <p>The VM stays whole until the caller has committed the result: if anything fails here the vCPUs
 * run on and the snapshot it came from is untouched.
 */
public final class PausePath {
    private static final Logger LOG = LoggerFactory.getLogger(PausePath.class);
    private static final Duration QUIESCE_LIMIT = Duration.ofSeconds(3);

    /** For what the guest writes between the estimate and the freeze. */
    private static final long COPY_SLACK_BYTES = ByteSize.mib(8).bytes();

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
     * What came of saving a VM that goes on.
     *
     * @param frozen how long it stood still
     */
    record SavedRunning(Snapshot snapshot, Duration frozen) {}

    /**
     * Freezes the VM and saves it.
     *
     * @param last the state the run goes on from: what it was started from, or was saved as since
     * @return the sealed snapshot, while the VM is still there, frozen
     */
    Snapshot save(RunningCapsule run, Optional<SnapshotId> last, Facts facts, Deadline deadline) {
        var watch = Stopwatch.start();
        machinery.steps().before(PauseStep.QUIESCE);
        quiesce(run, deadline);
        var quiet = watch.elapsed();
        run.pages().stopRecording();
        var base = last.map(machinery.store()::open);
        try (var _ = machinery.room().disk().reserve(changedBytes(run, facts));
                var draft = machinery.store().draft(SnapshotId.random())) {
            machinery.steps().before(PauseStep.FREEZE);
            run.vm().freeze(deadline);
            save(run, draft, base, facts, deadline);
            var snapshot = seal(run, draft, base, facts, deadline);
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

    /**
     * Saves the VM and lets it run on as soon as its state of one instant is in memory: comparing,
     * summing and writing the pages, and waiting for the device, happen while it runs.
     *
     * @param last as for {@link #save}
     * @return the sealed snapshot, and how long the VM stood still for it
     */
    SavedRunning saveRunning(
            RunningCapsule run, Optional<SnapshotId> last, Facts facts, Deadline deadline) {
        machinery.steps().before(PauseStep.QUIESCE);
        quiesce(run, deadline);
        // Cloning a disk first writes out what the page cache holds of it: not while frozen.
        FileSync.file(run.disk());
        var base = last.map(machinery.store()::open);
        long changed = changedBytes(run, facts);
        try (var _ = machinery.room().disk().reserve(changed);
                var loan = machinery.room().memory().lend(copyBytes(changed));
                var draft = machinery.store().draft(SnapshotId.random())) {
            var layer = layer(draft, base, facts);
            try (var copy = new PageCopy(loan.bytes(), layer)) {
                var watch = Stopwatch.start();
                var rest = freezeAndTake(run, draft, layer, copy, deadline);
                var frozen = watch.elapsed();
                rest.run();
                var snapshot = seal(run, draft, base, facts, deadline);
                LOG.atInfo()
                        .addKeyValue("capsule", run.capsule())
                        .addKeyValue("frozen_ms", frozen.toMillis())
                        .addKeyValue("sealed_ms", watch.elapsed().toMillis())
                        .addKeyValue("changed_bytes", changed)
                        .addKeyValue("copied_bytes", copy.copiedBytes())
                        .addKeyValue("layer_bytes", snapshot.writtenBytes())
                        .log("running capsule saved");
                return new SavedRunning(snapshot, frozen);
            }
        }
    }

    /** Takes what must be of one instant; returns what can be done with it while the VM runs. */
    private Runnable freezeAndTake(
            RunningCapsule run,
            SnapshotDraft draft,
            ToLayer layer,
            PageCopy copy,
            Deadline deadline) {
        try {
            machinery.steps().before(PauseStep.FREEZE);
            run.vm().freeze(deadline);
            Runnable rest =
                    switch (machinery.vmm().memoryReader()) {
                        case PAGE_SERVER -> {
                            saveSideBySide(run, draft, () -> memoryInto(copy), deadline);
                            yield copy::drain;
                        }
                        case VMM -> {
                            var written = saveState(run, draft, deadline).orElseThrow();
                            cloneDisk(run, draft);
                            // The file stays as it is until the VM is saved again.
                            yield () -> MemoryFile.read(written, memoryInto(layer));
                        }
                    };
            run.vm().resume(deadline);
            return rest;
        } catch (RuntimeException e) {
            thaw(run, e);
            throw e;
        }
    }

    /** A VMM that writes the memory itself needs no copy: its file is one. */
    private long copyBytes(long changed) {
        return switch (machinery.vmm().memoryReader()) {
            case PAGE_SERVER -> changed + changed / 4 + COPY_SLACK_BYTES;
            case VMM -> 0;
        };
    }

    /** About how much a save will write; 0 if nobody can tell beforehand. */
    private long changedBytes(RunningCapsule run, Facts facts) {
        return switch (machinery.vmm().memoryReader()) {
            case PAGE_SERVER -> run.pages().changedBytes();
            // It writes all of a booted guest. Of a restored one it keeps to itself how much
            // changed; what then does not fit on the volume fails the save, and the VM runs on.
            case VMM -> run.base().isEmpty() ? facts.memory().bytes() : 0;
        };
    }

    /** Lets a frozen VM run on after a failure; what fails here is added to that failure. */
    void thaw(RunningCapsule run, RuntimeException because) {
        try {
            run.vm().resume(Deadline.after(machinery.config().startLimit()));
        } catch (WrennException e) {
            because.addSuppressed(e);
        }
    }

    private Snapshot seal(
            RunningCapsule run,
            SnapshotDraft draft,
            Optional<Snapshot> base,
            Facts facts,
            Deadline deadline) {
        keepWorkingSet(run, draft);
        deadline.check("saving capsule " + run.capsule());
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

    private static ToLayer layer(SnapshotDraft draft, Optional<Snapshot> base, Facts facts) {
        return new ToLayer(draft.memory(base, facts.memory().bytes() / PageSource.PAGE_BYTES));
    }

    private PageSink memoryInto(PageSink sink) {
        machinery.steps().before(PauseStep.MEMORY);
        return sink;
    }

    private void save(
            RunningCapsule run,
            SnapshotDraft draft,
            Optional<Snapshot> base,
            Facts facts,
            Deadline deadline) {
        Supplier<PageSink> memory = () -> memoryInto(layer(draft, base, facts));
        switch (machinery.vmm().memoryReader()) {
            case PAGE_SERVER -> saveSideBySide(run, draft, memory, deadline);
            case VMM -> saveStateFirst(run, draft, memory, deadline);
        }
    }

    /** Disk, VM state and memory side by side; whatever fails, all three have ended. */
    private void saveSideBySide(
            RunningCapsule run, SnapshotDraft draft, Supplier<PageSink> memory, Deadline deadline) {
        try (var forks = new Forks()) {
            var cloning = forks.start("clone disk", () -> cloneDisk(run, draft));
            var saving = forks.start("save VM state", () -> saveState(run, draft, deadline));
            try {
                run.pages().captureSince(memory.get());
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
            RunningCapsule run, SnapshotDraft draft, Supplier<PageSink> memory, Deadline deadline) {
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
    private record ToLayer(LayerWriter layer) implements PageSink {
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
