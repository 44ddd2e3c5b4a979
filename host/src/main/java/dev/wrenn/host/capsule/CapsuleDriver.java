package dev.wrenn.host.capsule;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.CheckpointId;
import dev.wrenn.contract.host.History;
import dev.wrenn.contract.host.HostCapsule;
import dev.wrenn.contract.host.HostCheckpoint;
import dev.wrenn.contract.host.HostCheckpoint.Cause;
import dev.wrenn.contract.host.Retention;
import dev.wrenn.host.guest.GuestInit;
import dev.wrenn.host.journal.CapsuleRecord;
import dev.wrenn.host.journal.CapsuleRecord.Stage;
import dev.wrenn.host.journal.Journal.Durability;
import dev.wrenn.snapshot.SnapshotId;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What can be done with one capsule; each operation runs on the capsule's own virtual thread, one
 * after the other, to its end whether or not its caller still waits. That thread is the only writer
 * of the capsule's {@link Book}.
 */
final class CapsuleDriver implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(CapsuleDriver.class);
    private static final Duration FIRST_RETRY = Duration.ofSeconds(5);
    private static final Duration LAST_RETRY = Duration.ofMinutes(5);
    private static final Duration RECORDING = Duration.ofSeconds(2);

    private final CapsuleId id;
    private final Machinery machinery;
    private final ResumePath resumePath;
    private final Saves saves;
    private final Teardown teardown;
    private final Book book;
    private final Reports reports;
    private final Operations operations;
    private volatile boolean givenUp; // by whoever asks for the end, read by a create
    private Duration retryAfter = FIRST_RETRY; // driver thread only
    private volatile Instant expiryNotBefore = Instant.EPOCH;
    private volatile boolean expiryAsked;

    /** Who is told of changes. */
    interface Reports {
        void changed(HostCapsule capsule);

        /** Where to count what happens. */
        Tally tally();

        /** Snapshots lost a use by this capsule. */
        void released();

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
        this.book = new Book(id, machinery, reports, record, state);
        this.saves = new Saves(id, machinery, book);
        this.teardown = new Teardown(id.text(), machinery);
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
        return call("pause", () -> pauseNow(Cause.PAUSE, why));
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
            if (!(state() instanceof CapsuleState.Destroyed)) {
                throw e;
            }
        }
    }

    /** Pauses the capsule if it runs once all that was asked before is done. */
    HostCapsule pauseIfRunning(String why) {
        return call(
                "pause",
                () -> {
                    if (state() instanceof CapsuleState.Running) {
                        pauseNow(Cause.PAUSE, why);
                    }
                });
    }

    /** Saves the present state, or names the one that is saved already. */
    HostCheckpoint checkpoint(String name) {
        return answer("checkpoint", () -> book.shown(saves.checkpoint(Cause.ASKED, name)));
    }

    HostCapsule rollback(CheckpointId checkpoint) {
        return call("roll back", () -> rollbackNow(checkpoint));
    }

    HostCapsule deleteCheckpoint(CheckpointId checkpoint) {
        return call("delete checkpoint", () -> saves.delete(checkpoint));
    }

    History retain(Retention retention) {
        return answer(
                "retain",
                () -> {
                    book.write(record().keeping(retention));
                    return history();
                });
    }

    /** A state to start others from: the given one, else the present one. */
    Saves.ForkPoint forkPoint(Optional<CheckpointId> checkpoint) {
        return answer("fork", () -> saves.forkPoint(checkpoint));
    }

    /**
     * Called by the clock of the host: gives up checkpoints that are too old now, and does again
     * what files that could not be written or deleted have prevented.
     */
    void tidy() {
        if (state() instanceof CapsuleState.Destroying) {
            operations.add("destroy", this::destroyNow);
            return;
        }
        if (!book.isSecure()) {
            operations.add("write down", book::secure);
        }
        if (teardown.hasLeftovers()) {
            operations.add("clean up", () -> teardown.cleanUp(state()));
        }
        if (book.hasOldCheckpoints()) {
            operations.add("forget checkpoints", () -> book.write(record()));
        }
    }

    /** Told when a snapshot has reached the archive. */
    void archived(SnapshotId snapshot) {
        operations.add("become durable", () -> book.durable(snapshot));
    }

    History history() {
        return book.history();
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
                    if (state() instanceof CapsuleState.Running) {
                        pauseNow(Cause.PAUSE, "");
                    }
                    book.requirePaused(name);
                    work.accept(record());
                });
    }

    void ping() {
        running("ping").activity().touch();
    }

    /** Called by the clock of the host: pauses the capsule if nothing has used it for too long. */
    void expireIfIdle() {
        if (!(state() instanceof CapsuleState.Running(var run))) {
            return;
        }
        var now = machinery.clock().instant();
        if (now.isAfter(Instant.ofEpochMilli(record().startedAtMillis()).plus(RECORDING))) {
            run.pages().stopRecording();
        }
        var limit = Duration.ofSeconds(record().expirySeconds());
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
        return book.report();
    }

    CapsuleRecord record() {
        return book.record();
    }

    CapsuleState state() {
        return book.state();
    }

    private void watch(RunningCapsule run) {
        run.loss().onReport(why -> operations.add("lose VM", () -> loseNow(run, why)));
    }

    // ---- operations, on the driver's thread ----

    private void createNow(Supplier<Templates.Start> source) {
        if (!(state() instanceof CapsuleState.Creating)) {
            throw CapsuleRefusal.wrongState(id, state(), "create");
        }
        try {
            var from = source.get();
            if (givenUp) {
                throw CapsuleRefusal.gone(id.text(), "destroyed");
            }
            book.note(record().shaped(from.vcpus(), from.memoryMb()));
            book.booted(from.bootMillis());
            machinery.journal().write(record(), Durability.BUFFERED);
            nowRunning(start(from.snapshot()));
        } catch (RuntimeException e) {
            endAfter(e);
            throw e;
        }
    }

    /**
     * Of a capsule that was never made nothing remains, if not at once then as soon as possible.
     */
    private void endAfter(RuntimeException failure) {
        try {
            endDestroying();
        } catch (WrennException e) {
            failure.addSuppressed(e);
            book.note(record().to(Stage.DESTROYING, ""));
            book.become(new CapsuleState.Destroying(Optional.empty()));
        }
    }

    private void ended() {
        operations.end();
        book.become(new CapsuleState.Destroyed());
        reports.ended(this);
    }

    private void nowRunning(RunningCapsule run) {
        book.become(new CapsuleState.Running(run));
        watch(run);
    }

    private void resumeNow() {
        book.requirePaused("resume");
        book.become(new CapsuleState.Resuming());
        try {
            nowRunning(start(new SnapshotId(record().snapshot())));
        } catch (RuntimeException e) {
            book.become(new CapsuleState.Paused());
            throw e;
        }
    }

    /** Common to create and resume; sets the record, not the state. */
    private RunningCapsule start(SnapshotId from) {
        var limit = machinery.config().startLimit();
        machinery.store().bringBack(from); // before the clock of the start runs
        var init =
                new GuestInit(
                        id.text(),
                        record().template(),
                        new Secret(record().agentAccess()),
                        record().defaults(),
                        machinery.clock());
        var run = resumePath.start(new StartOrder(id.text(), from, init), Deadline.after(limit));
        book.note(
                record().started(
                                machinery.clock().millis(),
                                run.slot().hostAddress().getHostAddress()));
        book.started(run);
        expiryNotBefore = Instant.EPOCH;
        expiryAsked = false;
        retryAfter = FIRST_RETRY;
        return run;
    }

    private void pauseNow(Cause cause, String why) {
        var run = running("pause");
        book.become(new CapsuleState.Pausing(run));
        try {
            saves.pause(run, cause, why);
        } catch (RuntimeException e) {
            book.become(new CapsuleState.Running(run));
            throw e;
        }
        // From here on the capsule is safe; the VM is not needed any more.
        teardown.end(run, CapsuleRefusal.gone(id.text(), "paused"), "pause");
        book.become(new CapsuleState.Paused());
    }

    private void rollbackNow(CheckpointId checkpoint) {
        try (var target = saves.requireUsable(checkpoint)) {
            if (state() instanceof CapsuleState.Running(var run)) {
                pauseNow(Cause.ROLLBACK, "before going back to " + checkpoint);
                // The next start would take over a VM that is left, as if it went on from the
                // chosen state.
                if (run.vm().isAlive()) {
                    throw CapsuleRefusal.notEnded(id);
                }
                goBack(target);
                resumeNow();
                book.secure();
            } else {
                book.requirePaused("roll back");
                goBack(target);
            }
        }
    }

    private void goBack(Saves.ForkPoint target) {
        saves.goBackTo(target.checkpoint());
        book.become(state());
    }

    private void expireNow(RunningCapsule run, Duration limit) {
        expiryAsked = false;
        if (!book.isRunning(run) || !run.activity().isIdleFor(limit)) {
            return; // used again, or gone, while this waited
        }
        try {
            pauseNow(Cause.PAUSE, "expired after " + limit.toSeconds() + " s without activity");
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
        if (!book.isRunning(run)) {
            return; // an end that we caused ourselves
        }
        LOG.atError().setCause(why).addKeyValue("capsule", id).log("capsule lost its VM");
        book.lost();
        teardown.end(run, why, "lose VM");
        book.lost(why);
    }

    private void destroyNow() {
        if (state() instanceof CapsuleState.Destroyed) {
            return;
        }
        beginDestroying()
                .ifPresent(run ->
                        teardown.end(run, CapsuleRefusal.gone(id.text(), "destroyed"), "destroy"));
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
            teardown.end(run, why, "retire");
            endDestroying();
        }
    }

    /** Writes the decision down; returns what runs, also after an attempt that failed. */
    private Optional<RunningCapsule> beginDestroying() {
        var run =
                switch (state()) {
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
        book.note(record().to(Stage.DESTROYING, ""));
        book.become(new CapsuleState.Destroying(run));
        try {
            book.secure();
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
        teardown.removeLeftovers();
        machinery.journal().forget(id.text());
        ended();
        reports.released();
    }

    private HostCapsule call(String name, Runnable work) {
        return answer(
                name,
                () -> {
                    work.run();
                    return report();
                });
    }

    private <T> T answer(String name, Supplier<T> work) {
        var done = new CompletableFuture<T>();
        try {
            operations.call(name, () -> done.complete(work.get()), () -> remember(name));
        } catch (WrennException e) {
            reports.released(); // what it may have left in the store
            throw e;
        }
        return done.join();
    }

    /**
     * Writes a start down for good after its caller has been answered: until then the run record,
     * written before, tells a restarted host agent the same.
     */
    private void remember(String operation) {
        if (state() instanceof CapsuleState.Running
                && (operation.equals("create") || operation.equals("resume"))) {
            book.secure();
        }
    }

    /** The present run; fails if there is none. */
    RunningCapsule running(String operation) {
        return book.requireRunning(operation);
    }

    /** Ends the thread and lets go of the VM; the capsule stays as it is. */
    @Override
    public void close() {
        operations.close();
        if (state() instanceof CapsuleState.Running(var run)) {
            run.detach();
        }
    }
}
