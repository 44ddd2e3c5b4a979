package dev.wrenn.host.capsule;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
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
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.Consumer;
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
    private static final int WAITING_LIMIT = 32;
    private static final Duration FIRST_RETRY = Duration.ofSeconds(5);
    private static final Duration LAST_RETRY = Duration.ofMinutes(5);
    private static final Duration RECORDING = Duration.ofSeconds(2);

    private final CapsuleId id;
    private final Machinery machinery;
    private final ResumePath resumePath;
    private final PausePath pausePath;
    private final Reports reports;
    private final BlockingQueue<Operation> waiting = new ArrayBlockingQueue<>(WAITING_LIMIT);
    private final Loop thread;
    private volatile CapsuleState state;
    private volatile CapsuleRecord record;
    private volatile Measurements measured = Measurements.NONE;
    private volatile boolean stopped;
    private Duration retryAfter = FIRST_RETRY; // driver thread only
    private volatile Instant expiryNotBefore = Instant.EPOCH;
    private volatile boolean expiryAsked;

    /** Who is told of changes. */
    interface Reports {
        void changed(HostCapsule capsule);

        /** A snapshot lost its last use by this capsule. */
        void released(SnapshotId snapshot);
    }

    /** One asked-for change; its work runs on the driver's thread. */
    private record Operation(String name, Runnable work, CompletableFuture<HostCapsule> done) {}

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
        this.thread = Loop.once("capsule-" + id, this::drive);
    }

    /**
     * Starts the VM from the template's snapshot; on failure the capsule is gone.
     *
     * @param bootMillis what the boot behind that snapshot took, 0 if nobody knows
     */
    HostCapsule create(SnapshotId from, Secret authority, long bootMillis) {
        measured = measured.booted(bootMillis);
        return call("create", () -> createNow(from, authority));
    }

    HostCapsule pause(String why) {
        return call("pause", () -> pauseNow(why));
    }

    HostCapsule resume() {
        return call("resume", this::resumeNow);
    }

    HostCapsule destroy() {
        return call("destroy", this::destroyNow);
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
        var _ = submit("expire", () -> expireNow(run, limit));
    }

    HostCapsule report() {
        var now = record;
        var lastActive =
                state instanceof CapsuleState.Running(var run)
                        ? run.activity().last()
                        : Instant.ofEpochMilli(now.startedAtMillis());
        return new HostCapsule(
                id,
                now.generation(),
                state.toHostState(),
                now.vcpus(),
                now.memoryMb(),
                now.hostAddress(),
                Instant.ofEpochMilli(now.startedAtMillis()),
                lastActive,
                measured.and(
                        Map.of(
                                "kernel_version",
                                machinery.images().kernelVersion(),
                                "vmm_version",
                                machinery.vmm().version(),
                                "agent_version",
                                HostConfig.VERSION,
                                "guest_agent_version",
                                HostConfig.VERSION)),
                now.reason());
    }

    CapsuleRecord record() {
        return record;
    }

    CapsuleState state() {
        return state;
    }

    /** Told by the VM or the pager that a run is lost. */
    void lost(WrennException why) {
        var _ = submit("lose VM", () -> loseNow(why));
    }

    // ---- operations, on the driver's thread ----

    private void createNow(SnapshotId from, Secret authority) {
        if (!(state instanceof CapsuleState.Creating)) {
            throw CapsuleRefusal.wrongState(id, state, "create");
        }
        try {
            become(new CapsuleState.Running(start(from, authority)));
        } catch (RuntimeException e) {
            become(new CapsuleState.Destroyed());
            machinery.journal().forget(id.text());
            stopped = true;
            throw e;
        }
    }

    private void resumeNow() {
        if (!(state instanceof CapsuleState.Paused)) {
            throw CapsuleRefusal.wrongState(id, state, "resume");
        }
        become(new CapsuleState.Resuming());
        try {
            var run = start(new SnapshotId(record.snapshot()), new Secret(record.agentAccess()));
            become(new CapsuleState.Running(run));
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
                        new StartOrder(id.text(), from, init, authority),
                        this::lost,
                        Deadline.after(limit));
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
        try {
            var deadline = Deadline.after(machinery.config().pauseLimit());
            var snapshot = pausePath.save(run, facts(), deadline);
            try {
                var before = record.snapshot();
                var saved = record.saved(snapshot.id().toString(), why);
                machinery.journal().write(saved, Durability.SYNCED);
                record = saved;
                machinery.store().settled(snapshot.id());
                measured = measured.saved(snapshot.writtenBytes());
                // From here on the capsule is safe; the VM is not needed any more.
                run.endSessions(CapsuleRefusal.gone(id.text(), "paused"));
                closeLogged(run, "pause");
                become(new CapsuleState.Paused());
                if (!before.isEmpty()) {
                    reports.released(new SnapshotId(before));
                }
            } catch (RuntimeException e) {
                if (!(state instanceof CapsuleState.Paused)) {
                    machinery.store().delete(snapshot.id());
                    pausePath.thaw(run, e);
                }
                throw e;
            }
        } catch (RuntimeException e) {
            if (state instanceof CapsuleState.Pausing) {
                become(new CapsuleState.Running(run));
            }
            throw e;
        }
    }

    private void expireNow(RunningCapsule run, Duration limit) {
        expiryAsked = false;
        if (!(state instanceof CapsuleState.Running(var now))
                || !now.vm().process().equals(run.vm().process())
                || !run.activity().isIdleFor(limit)) {
            return; // used again, or gone, while this waited
        }
        try {
            pauseNow("expired after " + limit.toSeconds() + " s without activity");
            LOG.atInfo().addKeyValue("capsule", id).log("expired capsule paused");
        } catch (WrennException e) {
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

    private void loseNow(WrennException why) {
        if (!(state instanceof CapsuleState.Running(var run))) {
            return; // an end that we caused ourselves
        }
        if (run.vm().isAlive() && !run.pages().hasFailed()) {
            return; // the end of an earlier run
        }
        LOG.atError().setCause(why).addKeyValue("capsule", id).log("capsule lost its VM");
        run.endSessions(why);
        closeLogged(run, "lose VM");
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

    private void destroyNow() {
        if (state instanceof CapsuleState.Destroyed) {
            return;
        }
        var before = state;
        beginDestroying();
        if (before instanceof CapsuleState.Running(var run)) {
            run.endSessions(CapsuleRefusal.gone(id.text(), "destroyed"));
            closeLogged(run, "destroy");
        }
        endDestroying();
    }

    private void retireNow(Consumer<Path> keepDisk) {
        var run = running("retire");
        beginDestroying();
        try {
            run.endSessions(CapsuleRefusal.gone(id.text(), "retired"));
            run.shutDown(Deadline.after(machinery.config().pauseLimit()));
            keepDisk.accept(run.disk());
        } finally {
            closeLogged(run, "retire");
            endDestroying();
        }
    }

    private void beginDestroying() {
        record = record.to(Stage.DESTROYING, "");
        become(new CapsuleState.Destroying());
        machinery.journal().write(record, Durability.SYNCED);
    }

    private void endDestroying() {
        machinery.journal().forget(id.text());
        stopped = true;
        become(new CapsuleState.Destroyed());
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

    // ---- the thread ----

    private HostCapsule call(String name, Runnable work) {
        var done = submit(name, work);
        try {
            return done.get();
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new WrennException(
                    Kind.UNAVAILABLE, "stopped waiting; the capsule's operation goes on");
        } catch (ExecutionException e) {
            if (e.getCause() instanceof WrennException failure) {
                throw failure;
            }
            throw new WrennException(Kind.BUG, name + " failed", e.getCause());
        }
    }

    private CompletableFuture<HostCapsule> submit(String name, Runnable work) {
        var operation = new Operation(name, work, new CompletableFuture<>());
        if (stopped) {
            operation.done().completeExceptionally(CapsuleRefusal.unknown(id));
        } else if (!waiting.offer(operation)) {
            operation.done().completeExceptionally(CapsuleRefusal.busy(id));
        }
        return operation.done();
    }

    private void drive() {
        try {
            while (!stopped) {
                perform(waiting.take());
            }
        } catch (InterruptedException _) {
            stopped = true;
        }
        for (var late = waiting.poll(); late != null; late = waiting.poll()) {
            if (late.name().equals("destroy")) {
                late.done().complete(report());
            } else {
                late.done().completeExceptionally(CapsuleRefusal.unknown(id));
            }
        }
    }

    private void perform(Operation operation) {
        var deadline = Deadline.after(Duration.ofDays(1));
        try {
            operation.work().run();
            operation.done().complete(report());
            remember(operation.name());
            LOG.atInfo()
                    .addKeyValue("capsule", id)
                    .addKeyValue("operation", operation.name())
                    .addKeyValue("took_ms", deadline.limit().minus(deadline.left()).toMillis())
                    .log("capsule operation done");
        } catch (RuntimeException e) {
            operation.done().completeExceptionally(e);
            LOG.atWarn()
                    .setCause(e)
                    .addKeyValue("capsule", id)
                    .addKeyValue("operation", operation.name())
                    .log("capsule operation failed");
        }
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
     * A teardown that fails leaves something for the next clean-up, but must not undo the state.
     */
    private void closeLogged(RunningCapsule run, String operation) {
        try {
            run.close();
        } catch (WrennException e) {
            LOG.atError()
                    .setCause(e)
                    .addKeyValue("capsule", id)
                    .addKeyValue("operation", operation)
                    .log("ending the capsule's VM left something behind");
        }
    }

    /** Ends the thread; the capsule stays as it is. */
    @Override
    public void close() {
        stopped = true;
        thread.close();
    }
}
