package dev.wrenn.host.capsule;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.CheckpointId;
import dev.wrenn.contract.host.History;
import dev.wrenn.contract.host.HostCapsule;
import dev.wrenn.contract.host.HostCheckpoint;
import dev.wrenn.contract.host.HostCheckpoint.Cause;
import dev.wrenn.host.journal.CapsuleRecord;
import dev.wrenn.host.journal.CapsuleRecord.Stage;
import dev.wrenn.host.journal.CheckpointRecord;
import dev.wrenn.host.journal.Journal.Durability;
import dev.wrenn.snapshot.Snapshot;
import dev.wrenn.snapshot.SnapshotId;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/**
 * What is known of one capsule: its state, its record and what was measured. Written by the
 * capsule's own thread only, read by anyone; a report is published after each change of state.
 */
final class Book {
    private final CapsuleId id;
    private final Machinery machinery;
    private final CapsuleDriver.Reports reports;
    private volatile CapsuleState state;
    private volatile CapsuleRecord record;
    private volatile Measurements measured = Measurements.NONE;
    private volatile boolean isSecure = true; // the journal says what the record says

    Book(
            CapsuleId id,
            Machinery machinery,
            CapsuleDriver.Reports reports,
            CapsuleRecord record,
            CapsuleState state) {
        this.id = id;
        this.machinery = machinery;
        this.reports = reports;
        this.record = record;
        this.state = state;
    }

    CapsuleState state() {
        return state;
    }

    CapsuleRecord record() {
        return record;
    }

    /** The present run; fails if there is none. */
    RunningCapsule requireRunning(String operation) {
        if (state instanceof CapsuleState.Running(var run)) {
            return run;
        }
        throw CapsuleRefusal.wrongState(id, state, operation);
    }

    /** Whether that very run is the present one. */
    @SuppressWarnings("ReferenceEquality") // a run is that object; two are never equal otherwise
    boolean isRunning(RunningCapsule run) {
        return state instanceof CapsuleState.Running(var now) && now == run;
    }

    void requirePaused(String operation) {
        if (!(state instanceof CapsuleState.Paused)) {
            throw CapsuleRefusal.wrongState(id, state, operation);
        }
    }

    void become(CapsuleState next) {
        state = next;
        reports.changed(report());
    }

    /** Takes over a record that need not last yet. */
    void note(CapsuleRecord next) {
        record = next;
    }

    /**
     * Makes it the truth, durably, without the checkpoints that need not stay; their snapshots go
     * with a later collection.
     */
    void write(CapsuleRecord next) {
        var kept = pruned(next);
        try {
            machinery.journal().write(kept, Durability.SYNCED);
        } catch (WrennException e) {
            takeBack(e);
            throw e;
        }
        record = kept;
        reports.released();
    }

    /** What a failed write left may be what the next start reads: so the present record follows. */
    private void takeBack(WrennException because) {
        try {
            secure();
        } catch (WrennException e) {
            because.addSuppressed(e);
        }
    }

    /** Writes the present record down for good; if that fails it has to be tried again. */
    void secure() {
        isSecure = false;
        machinery.journal().write(record, Durability.SYNCED);
        isSecure = true;
    }

    boolean isSecure() {
        return isSecure;
    }

    /** The VM is gone without having been saved: the capsule is what it was saved as last. */
    void lost(WrennException why) {
        if (record.snapshot().isEmpty()) {
            note(record.to(Stage.FAILED, why.shownMessage()));
            become(new CapsuleState.Failed());
        } else {
            note(
                    record.to(
                            Stage.PAUSED,
                            why.shownMessage() + "; it can be resumed as it was last saved"));
            become(new CapsuleState.Paused());
        }
        secure();
    }

    /** The archive has a snapshot now: a new generation, if it is what a paused capsule is. */
    void durable(SnapshotId snapshot) {
        if (state instanceof CapsuleState.Paused && record.snapshot().equals(snapshot.text())) {
            note(record.to(Stage.PAUSED, record.reason()));
            secure();
            become(state);
        }
    }

    boolean hasOldCheckpoints() {
        var now = record;
        return pruned(now).history().size() < now.history().size();
    }

    private CapsuleRecord pruned(CapsuleRecord next) {
        var kept =
                RetentionRule.kept(
                        next, machinery.config().retention(), machinery.clock().instant());
        return kept.size() == next.history().size() ? next : next.with(kept);
    }

    void booted(long millis) {
        measured = measured.booted(millis);
    }

    void started(RunningCapsule run) {
        measured = measured.started(run.vm().process().pid(), run.pages().stats());
        reports.tally().started();
    }

    void saved(Snapshot snapshot) {
        measured = measured.saved(snapshot.writtenBytes());
        reports.tally().saved(snapshot.writtenBytes());
    }

    void lost() {
        reports.tally().lost();
    }

    void savedRunning(PausePath.SavedRunning saved) {
        measured = measured.savedRunning(saved.snapshot().writtenBytes(), saved.frozen());
    }

    CheckpointRecord find(CheckpointId checkpoint) {
        return record.history().stream()
                .filter(c -> c.checkpoint().equals(checkpoint.text()))
                .findFirst()
                .orElseThrow(() -> CapsuleRefusal.unknown(id, checkpoint));
    }

    /** The line of the history for a snapshot that was just sealed. */
    CheckpointRecord entry(Snapshot snapshot, Cause cause, String name, String why) {
        return new CheckpointRecord(
                CheckpointId.random().text(),
                snapshot.id().text(),
                record.current().map(CheckpointRecord::checkpoint).orElse(""),
                name,
                cause,
                why,
                machinery.clock().millis(),
                snapshot.writtenBytes());
    }

    /** What a run goes on from: it was started from there, or saved as that since. */
    Optional<SnapshotId> lastSaved(RunningCapsule run) {
        return record.snapshot().isEmpty()
                ? run.base()
                : Optional.of(new SnapshotId(record.snapshot()));
    }

    PausePath.Facts facts() {
        return new PausePath.Facts(
                record.template(),
                record.vcpus(),
                ByteSize.mib(record.memoryMb()),
                Map.of(PausePath.TOKEN, record.agentAccess()));
    }

    HostCapsule report() {
        return machinery.report(record, state, measured);
    }

    History history() {
        var now = record;
        return new History(
                now.history().reversed().stream().map(c -> shown(now, c)).toList(),
                now.retention().orElse(machinery.config().retention()));
    }

    HostCheckpoint shown(CheckpointRecord checkpoint) {
        return shown(record, checkpoint);
    }

    private static HostCheckpoint shown(CapsuleRecord of, CheckpointRecord checkpoint) {
        return new HostCheckpoint(
                new CheckpointId(checkpoint.checkpoint()),
                checkpoint.name(),
                checkpoint.cause(),
                checkpoint.reason(),
                checkpoint.parent().isEmpty()
                        ? Optional.empty()
                        : Optional.of(new CheckpointId(checkpoint.parent())),
                Instant.ofEpochMilli(checkpoint.createdAtMillis()),
                checkpoint.writtenBytes(),
                checkpoint.snapshot().equals(of.snapshot()));
    }
}
