package dev.wrenn.host.capsule;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.host.HostCapsule;
import dev.wrenn.host.guest.GuestInit;
import dev.wrenn.host.journal.CapsuleRecord;
import dev.wrenn.host.journal.CapsuleRecord.Stage;
import dev.wrenn.host.journal.Journal.Durability;
import dev.wrenn.snapshot.SnapshotId;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The only writer of one capsule's state; runs its operations one after the other on the capsule's
 * own virtual thread.
 *
 * <p>An operation runs to its end whether or not its caller still waits. {@link #state} and {@link
 * #record} are written by that thread only and read by anyone; a report is published after each
 * change, before the caller gets its answer.
 */
final class CapsuleDriver implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(CapsuleDriver.class);
    private static final Duration FIRST_RETRY = Duration.ofSeconds(5);
    private static final Duration LAST_RETRY = Duration.ofMinutes(5);
    private static final Duration RECORDING = Duration.ofSeconds(2);

    private final CapsuleId id;
    private final Machinery machinery;
    private final ResumePath resumePath;
    private final PausePath pausePath;
    private final Reports reports;
    private final Operations operations;
    private volatile CapsuleState state;
    private volatile CapsuleRecord record;
    private volatile Measurements measured = Measurements.NONE;
    private volatile boolean givenUp; // by whoever asks for the end, read by a create
    private Duration retryAfter = FIRST_RETRY; // driver thread only
    private volatile Instant expiryNotBefore = Instant.EPOCH;
    private volatile boolean expiryAsked;

    /** Who is told of changes. */
    interface Reports {
        void changed(HostCapsule capsule);

        /** A snapshot lost its last use by this capsule. */
        void released(SnapshotId snapshot);

        /** The capsule is gone; nothing more comes from this driver. */
        void ended(CapsuleDriver driver);
    }

    CapsuleDriver(
            CapsuleId id,
            Machinery machinery,
            Reports reports,
            CapsuleRecord record,
            CapsuleState state) {
        this.id = id;
        this.machinery = machinery;
        this.reports = reports;
        this.resumePath = new ResumePath(machinery);
        this.pausePath = new PausePath(machinery);
        this.record = record;
        this.state = state;
        this.operations = new Operations(id.text());
        if (state instanceof CapsuleState.Running(var run)) {
            watch(run);
        }
    }

    /**
     * Starts the VM from a template; on failure the capsule is gone.
     *
     * @param source what it starts from, asked on the driver's thread because it may take a boot
     */
    HostCapsule create(Supplier<Templates.Start> source) {
        return call("create", () -> createNow(source));
    }

    HostCapsule pause(String why) {
        return call("pause", () -> pauseNow(why));
    }

    HostCapsule resume() {
        return call("resume", this::resumeNow);
    }

    /** Gives the capsule up; one that is gone already is fine. */
    void destroy() {
        givenUp = true;
        try {
            call("destroy", this::destroyNow);
        } catch (CapsuleRefusal e) {
            if (!(state instanceof CapsuleState.Destroyed)) {
                throw e;
            }
        }
    }

    /** Pauses the capsule if it runs once all that was asked before is done. */
    HostCapsule pauseIfRunning(String why) {
        return call(
                "pause",
                () -> {
                    if (state instanceof CapsuleState.Running) {
                        pauseNow(why);
                    }
                });
    }

    /**
     * Shuts the guest down in order, hands over its disk, and gives the capsule up whether or not
     * that worked.
     */
    HostCapsule retire(Consumer<Path> keepDisk) {
        return call("retire", () -> retireNow(keepDisk));
    }

    /** Does something that needs the capsule at rest. */
    HostCapsule withPaused(String name, Consumer<CapsuleRecord> work) {
        return call(
                name,
                () -> {
                    if (state instanceof CapsuleState.Running) {
                        pauseNow("");
                    }
                    if (!(state instanceof CapsuleState.Paused)) {
                        throw CapsuleRefusal.wrongState(id, state, name);
                    }
                    work.accept(record);
                });
    }

    void ping() {
        running("ping").activity().touch();
    }

    /** Called by the clock of the host: pauses the capsule if nothing has used it for too long. */
    void expireIfIdle() {
        if (!(state instanceof CapsuleState.Running(var run))) {
            return;
        }
        var now = machinery.clock().instant();
        if (now.isAfter(Instant.ofEpochMilli(record.startedAtMillis()).plus(RECORDING))) {
            run.pages().stopRecording();
        }
        var limit = Duration.ofSeconds(record.expirySeconds());
        if (limit.isZero()
                || expiryAsked
                || now.isBefore(expiryNotBefore)
                || !run.activity().isIdleFor(limit)) {
            return;
        }
        expiryAsked = true;
        operations.add("expire", () -> expireNow(run, limit));
    }

    HostCapsule report() {
        return machinery.report(record, state, measured);
    }

    CapsuleRecord record() {
        return record;
    }

    CapsuleState state() {
        return state;
    }

    private void watch(RunningCapsule run) {
        run.loss().onReport(why -> operations.add("lose VM", () -> loseNow(run, why)));
    }

    // ---- operations, on the driver's thread ----

    private void createNow(Supplier<Templates.Start> source) {
        if (!(state instanceof CapsuleState.Creating)) {
            throw CapsuleRefusal.wrongState(id, state, "create");
        }
        try {
            var from = source.get();
            if (givenUp) {
                throw CapsuleRefusal.gone(id.text(), "destroyed");
            }
            record = record.shaped(from.vcpus(), from.memoryMb());
            measured = measured.booted(from.bootMillis());
            machinery.journal().write(record, Durability.BUFFERED);
            nowRunning(start(from.snapshot(), from.token()));
        } catch (RuntimeException e) {
            endAfter(e);
            throw e;
        }
    }

    /** Of a capsule that was never made nothing remains. */
    private void endAfter(RuntimeException failure) {
        try {
            machinery.journal().forget(id.text());
        } catch (WrennException e) {
            failure.addSuppressed(e); // the next start forgets it
        }
        ended();
    }

    private void ended() {
        operations.end();
        become(new CapsuleState.Destroyed());
        reports.ended(this);
    }

    private void nowRunning(RunningCapsule run) {
        become(new CapsuleState.Running(run));
        watch(run);
    }

    private void resumeNow() {
        if (!(state instanceof CapsuleState.Paused)) {
            throw CapsuleRefusal.wrongState(id, state, "resume");
        }
        become(new CapsuleState.Resuming());
        try {
            nowRunning(start(new SnapshotId(record.snapshot()), new Secret(record.agentAccess())));
        } catch (RuntimeException e) {
            become(new CapsuleState.Paused());
            throw e;
        }
    }

    /** Common to create and resume; sets the record, not the state. */
    private RunningCapsule start(SnapshotId from, Secret authority) {
        var limit = machinery.config().startLimit();
        var init =
                new GuestInit(
                        id.text(),
                        record.template(),
                        new Secret(record.agentAccess()),
                        record.defaults(),
                        machinery.clock());
        var run =
                resumePath.start(
                        new StartOrder(id.text(), from, init, authority), Deadline.after(limit));
        record =
                record.started(
                        machinery.clock().millis(), run.slot().hostAddress().getHostAddress());
        measured = measured.started(run.vm().process().pid(), run.pages().stats());
        expiryNotBefore = Instant.EPOCH;
        expiryAsked = false;
        retryAfter = FIRST_RETRY;
        return run;
    }

    private void pauseNow(String why) {
        if (!(state instanceof CapsuleState.Running(var run))) {
            throw CapsuleRefusal.wrongState(id, state, "pause");
        }
        become(new CapsuleState.Pausing(run));
        var before = record.snapshot();
        try {
            var deadline = Deadline.after(machinery.config().pauseLimit());
            var snapshot = pausePath.save(run, facts(), deadline);
            commit(run, snapshot.id(), why);
            measured = measured.saved(snapshot.writtenBytes());
        } catch (RuntimeException e) {
            become(new CapsuleState.Running(run));
            throw e;
        }
        // From here on the capsule is safe; the VM is not needed any more.
        end(run, CapsuleRefusal.gone(id.text(), "paused"), "pause");
        become(new CapsuleState.Paused());
        if (!before.isEmpty()) {
            reports.released(new SnapshotId(before));
        }
    }

    /** Makes the snapshot what the capsule is; else lets the VM run on. */
    private void commit(RunningCapsule run, SnapshotId snapshot, String why) {
        var saved = record.saved(snapshot.text(), why);
        try {
            machinery.steps().before(PauseStep.JOURNAL);
            machinery.journal().write(saved, Durability.SYNCED);
            record = saved;
            machinery.store().settled(snapshot);
        } catch (RuntimeException e) {
            pausePath.thaw(run, e);
            discard(snapshot, e);
            throw e;
        }
    }

    /** A write that failed may have come as far as being read: then the snapshot is needed. */
    private void discard(SnapshotId snapshot, RuntimeException because) {
        try {
            var written = machinery.journal().capsule(id.text()).map(CapsuleRecord::snapshot);
            if (written.equals(Optional.of(snapshot.text()))) {
                machinery.store().settled(snapshot);
            } else {
                machinery.store().delete(snapshot);
            }
        } catch (WrennException e) {
            because.addSuppressed(e);
        }
        reports.released(snapshot);
    }

    private void expireNow(RunningCapsule run, Duration limit) {
        expiryAsked = false;
        if (!isRunning(run) || !run.activity().isIdleFor(limit)) {
            return; // used again, or gone, while this waited
        }
        try {
            pauseNow("expired after " + limit.toSeconds() + " s without activity");
            LOG.atInfo().addKeyValue("capsule", id).log("expired capsule paused");
        } catch (RuntimeException e) {
            // Losing work is never the answer to a pause that fails: it runs on, we try again.
            expiryNotBefore = machinery.clock().instant().plus(retryAfter);
            retryAfter =
                    retryAfter.multipliedBy(2).compareTo(LAST_RETRY) < 0
                            ? retryAfter.multipliedBy(2)
                            : LAST_RETRY;
            LOG.atWarn()
                    .setCause(e)
                    .addKeyValue("capsule", id)
                    .addKeyValue("next_try", expiryNotBefore)
                    .log("pausing an expired capsule failed, it keeps running");
        }
    }

    private void loseNow(RunningCapsule run, WrennException why) {
        if (!isRunning(run)) {
            return; // an end that we caused ourselves
        }
        LOG.atError().setCause(why).addKeyValue("capsule", id).log("capsule lost its VM");
        end(run, why, "lose VM");
        if (record.snapshot().isEmpty()) {
            record = record.to(Stage.FAILED, why.shownMessage());
            become(new CapsuleState.Failed());
        } else {
            record =
                    record.to(
                            Stage.PAUSED,
                            why.shownMessage() + "; it can be resumed as it was last paused");
            become(new CapsuleState.Paused());
        }
        machinery.journal().write(record, Durability.SYNCED);
    }

    /** Whether that very run is the present one. */
    @SuppressWarnings("ReferenceEquality") // a run is that object; two are never equal otherwise
    private boolean isRunning(RunningCapsule run) {
        return state instanceof CapsuleState.Running(var now) && now == run;
    }

    private void destroyNow() {
        if (state instanceof CapsuleState.Destroyed) {
            return;
        }
        beginDestroying()
                .ifPresent(run -> end(run, CapsuleRefusal.gone(id.text(), "destroyed"), "destroy"));
        endDestroying();
    }

    private void retireNow(Consumer<Path> keepDisk) {
        var run = running("retire");
        var why = CapsuleRefusal.gone(id.text(), "retired");
        beginDestroying();
        try {
            run.endSessions(why);
            run.shutDown(Deadline.after(machinery.config().pauseLimit()));
            keepDisk.accept(run.disk());
        } finally {
            end(run, why, "retire");
            endDestroying();
        }
    }

    /** Writes the decision down; returns what runs, also after an attempt that failed. */
    private Optional<RunningCapsule> beginDestroying() {
        var run =
                switch (state) {
                    case CapsuleState.Running(var running) -> Optional.of(running);
                    case CapsuleState.Destroying(var left) -> left;
                    case CapsuleState.Creating _,
                            CapsuleState.Pausing _,
                            CapsuleState.Paused _,
                            CapsuleState.Resuming _,
                            CapsuleState.Destroyed _,
                            CapsuleState.Failed _ ->
                            Optional.<RunningCapsule>empty();
                };
        record = record.to(Stage.DESTROYING, "");
        become(new CapsuleState.Destroying(run));
        try {
            machinery.journal().write(record, Durability.SYNCED);
        } catch (WrennException e) {
            // On a full disk nothing can be written, and destroying is what makes room again. Only
            // if this process is killed now as well does the capsule come back.
            LOG.atWarn()
                    .setCause(e)
                    .addKeyValue("capsule", id)
                    .log("destroying a capsule without having it written down");
        }
        return run;
    }

    private void endDestroying() {
        machinery.journal().forget(id.text());
        ended();
        if (!record.snapshot().isEmpty()) {
            reports.released(new SnapshotId(record.snapshot()));
        }
    }

    private PausePath.Facts facts() {
        return new PausePath.Facts(
                record.template(),
                record.vcpus(),
                ByteSize.mib(record.memoryMb()),
                Map.of(PausePath.TOKEN, record.agentAccess()));
    }

    // ---- around them ----

    private HostCapsule call(String name, Runnable work) {
        var after = new HostCapsule[1];
        operations.call(
                name,
                () -> {
                    work.run();
                    after[0] = report();
                },
                () -> remember(name));
        return after[0];
    }

    /**
     * Writes a start down for good after its caller has been answered: until then the run record,
     * written before, tells a restarted host agent the same.
     */
    private void remember(String operation) {
        if (state instanceof CapsuleState.Running
                && (operation.equals("create") || operation.equals("resume"))) {
            machinery.journal().write(record, Durability.SYNCED);
        }
    }

    private void become(CapsuleState next) {
        state = next;
        reports.changed(report());
    }

    /** The present run; fails if there is none. */
    RunningCapsule running(String operation) {
        if (state instanceof CapsuleState.Running(var run)) {
            return run;
        }
        throw CapsuleRefusal.wrongState(id, state, operation);
    }

    /**
     * Ends a run. A teardown that fails leaves something for the next clean-up, but must not undo
     * what was decided.
     */
    private void end(RunningCapsule run, WrennException why, String operation) {
        try (run) {
            run.endSessions(why);
            machinery.steps().before(PauseStep.VM_END);
        } catch (RuntimeException e) {
            LOG.atError()
                    .setCause(e)
                    .addKeyValue("capsule", id)
                    .addKeyValue("operation", operation)
                    .log("ending the capsule's VM left something behind");
        }
    }

    /** Ends the thread and lets go of the VM; the capsule stays as it is. */
    @Override
    public void close() {
        operations.close();
        if (state instanceof CapsuleState.Running(var run)) {
            run.detach();
        }
    }
}
