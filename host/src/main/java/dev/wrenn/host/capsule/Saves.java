package dev.wrenn.host.capsule;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.CheckpointId;
import dev.wrenn.contract.host.HostCheckpoint.Cause;
import dev.wrenn.host.journal.CapsuleRecord;
import dev.wrenn.host.journal.CapsuleRecord.Stage;
import dev.wrenn.host.journal.CheckpointRecord;
import dev.wrenn.snapshot.Snapshot;
import dev.wrenn.snapshot.SnapshotId;
import java.util.Optional;

/**
 * Makes a capsule's saved states and keeps its history, on the capsule's own thread. A snapshot is
 * sealed first and named in the journal then: whoever dies in between leaves the state of before
 * and garbage.
 */
final class Saves {
    /** Each may hold as much as the capsule's memory and disk, and only people delete them. */
    private static final int MAX_NAMED = 50;

    private final CapsuleId id;
    private final Machinery machinery;
    private final Book book;
    private final PausePath pausePath;

    /**
     * A state of this capsule that others can be started from.
     *
     * @param hold keeps it there until it is closed
     */
    record ForkPoint(CapsuleRecord record, CheckpointRecord checkpoint, Resource hold)
            implements Resource {
        @Override
        public void close() {
            hold.close();
        }
    }

    Saves(CapsuleId id, Machinery machinery, Book book) {
        this.id = id;
        this.machinery = machinery;
        this.book = book;
        this.pausePath = new PausePath(machinery);
    }

    /** Saves a run for good; the VM is there still, frozen, or runs on if that fails. */
    void pause(RunningCapsule run, Cause cause, String why) {
        var deadline = Deadline.after(machinery.config().pauseLimit());
        var snapshot = pausePath.save(run, book.lastSaved(run), book.facts(), deadline);
        try {
            machinery.steps().before(PauseStep.JOURNAL);
            book.write(record().saved(book.entry(snapshot, cause, "", why), Stage.PAUSED, why));
        } catch (RuntimeException e) {
            pausePath.thaw(run, e);
            discard(snapshot, e);
            throw e;
        }
        machinery.store().settled(snapshot.id());
        book.saved(snapshot);
    }

    /** A write that failed may have come as far as being read: then the snapshot is needed. */
    private void discard(Snapshot snapshot, RuntimeException because) {
        try {
            if (machinery.journal().names(id.text(), snapshot.id().text())) {
                machinery.store().settled(snapshot.id());
            } else {
                machinery.store().delete(snapshot.id());
            }
        } catch (WrennException e) {
            because.addSuppressed(e);
        }
    }

    /** Saves a running capsule, which runs on; or gives the saved state of a paused one a name. */
    CheckpointRecord checkpoint(Cause cause, String name) {
        if (!name.isEmpty()) {
            requireRoomForName();
        }
        return switch (state()) {
            case CapsuleState.Running(var run) -> saveRunning(run, cause, name);
            case CapsuleState.Paused _ -> {
                var current = record().current().orElseThrow();
                if (name.isEmpty() || name.equals(current.name())) {
                    yield current;
                }
                var named = current.named(name);
                book.write(
                        record().with(
                                        record().history().stream()
                                                .map(c -> c.equals(current) ? named : c)
                                                .toList()));
                yield named;
            }
            case CapsuleState.Creating _,
                    CapsuleState.Pausing _,
                    CapsuleState.Resuming _,
                    CapsuleState.Destroying _,
                    CapsuleState.Destroyed _,
                    CapsuleState.Failed _ ->
                    throw CapsuleRefusal.wrongState(id, state(), "checkpoint");
        };
    }

    private CheckpointRecord saveRunning(RunningCapsule run, Cause cause, String name) {
        var deadline = Deadline.after(machinery.config().pauseLimit());
        var saved = pausePath.saveRunning(run, book.lastSaved(run), book.facts(), deadline);
        var snapshot = saved.snapshot();
        var made = book.entry(snapshot, cause, name, "");
        try {
            machinery.steps().before(PauseStep.JOURNAL);
            book.write(record().saved(made, Stage.RUNNING, record().reason()));
        } catch (RuntimeException e) {
            discard(snapshot, e);
            throw e;
        }
        machinery.store().settled(snapshot.id());
        book.savedRunning(saved);
        book.become(state());
        return made;
    }

    private void requireRoomForName() {
        if (record().history().stream().filter(c -> !c.name().isEmpty()).count() >= MAX_NAMED) {
            throw CapsuleRefusal.tooManyNamed(id, MAX_NAMED);
        }
    }

    void delete(CheckpointId checkpoint) {
        var found = book.find(checkpoint);
        if (found.snapshot().equals(record().snapshot())) {
            throw CapsuleRefusal.current(id, checkpoint);
        }
        book.write(
                record().with(record().history().stream().filter(c -> !c.equals(found)).toList()));
    }

    /** A checkpoint that can be resumed; what cannot must not replace what can. */
    ForkPoint requireUsable(CheckpointId checkpoint) {
        var found = book.find(checkpoint);
        var snapshot = new SnapshotId(found.snapshot());
        var hold = machinery.store().hold(snapshot);
        try {
            machinery.store().open(snapshot).image().close();
        } catch (RuntimeException e) {
            hold.close();
            throw e;
        }
        return new ForkPoint(record(), found, hold);
    }

    /** Makes it the current one; a save just before may have put it beyond what is kept. */
    void goBackTo(CheckpointRecord target) {
        var before = record().history().contains(target) ? record() : record().returning(target);
        book.write(before.backTo(target));
    }

    ForkPoint forkPoint(Optional<CheckpointId> checkpoint) {
        var from =
                checkpoint.isPresent() ? book.find(checkpoint.get()) : checkpoint(Cause.FORK, "");
        return new ForkPoint(
                record(), from, machinery.store().hold(new SnapshotId(from.snapshot())));
    }

    private CapsuleState state() {
        return book.state();
    }

    private CapsuleRecord record() {
        return book.record();
    }
}
