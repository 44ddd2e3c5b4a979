package dev.wrenn.simhost;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.CheckpointId;
import dev.wrenn.contract.guest.GuestPorts;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.contract.host.CreateCapsule;
import dev.wrenn.contract.host.History;
import dev.wrenn.contract.host.HostCapsule;
import dev.wrenn.contract.host.HostCheckpoint;
import dev.wrenn.contract.host.HostCheckpoint.Cause;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.contract.host.MetricPoint;
import dev.wrenn.contract.host.Retention;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * One simulated capsule. Its operations take turns in the order in which they came; what others
 * read is written by the operation whose turn it is.
 */
final class SimCapsule {
    private static final Map<String, String> VERSIONS =
            Map.of(
                    "kernel_version", "sim",
                    "vmm_version", "sim",
                    "agent_version", "sim",
                    "guest_agent_version", "sim");

    private final CapsuleId id;
    private final CreateCapsule order;
    private final int vcpus;
    private final int memoryMb;
    private final Path folder;
    private final FailPoints failPoints;
    private final InstantSource clock;
    private final Consumer<HostCapsule> reports;
    private final SimProcesses processes;
    private final SimFiles files;
    private final ReentrantLock turn = new ReentrantLock(true);
    private final SimHistory history;
    private final Set<SimGuest> sessions = ConcurrentHashMap.newKeySet();
    private volatile SimPorts ports = newPorts();
    private volatile HostState state = HostState.CREATING;
    private final AtomicLong generation = new AtomicLong();
    private volatile String reason = "";
    private volatile Instant startedAt = Instant.EPOCH;
    private volatile Instant lastActiveAt;
    private final SimMetrics metrics = new SimMetrics();

    /** What a capsule has around it. */
    record Machine(
            Path folder,
            Programs programs,
            FailPoints failPoints,
            InstantSource clock,
            Consumer<HostCapsule> reports) {}

    SimCapsule(CreateCapsule order, int vcpus, int memoryMb, Machine machine) {
        this.id = order.capsule();
        this.order = order;
        this.vcpus = vcpus;
        this.memoryMb = memoryMb;
        this.folder = machine.folder();
        this.failPoints = machine.failPoints();
        this.clock = machine.clock();
        this.reports = machine.reports();
        this.lastActiveAt = clock.instant();
        this.processes = new SimProcesses(machine.programs(), order.defaults().environment());
        this.files = new SimFiles(disk(), failPoints);
        this.history =
                new SimHistory(id, folder.resolve("checkpoints"), clock, SimCapsule::discard);
    }

    HostCapsule create(Path template) {
        return inTurn(() -> {
            become(HostState.CREATING, "");
            try {
                failPoints.pass(FailPoint.CREATE);
                copy(template, disk());
                started();
            } catch (WrennException e) {
                discard();
                become(HostState.DESTROYED, e.shownMessage());
                throw e;
            }
        });
    }

    HostCapsule pause(String why) {
        return inTurn(() -> pauseNow(Cause.PAUSE, why));
    }

    private void pauseNow(Cause cause, String why) {
        require(HostState.RUNNING, "pause");
        become(HostState.PAUSING, "");
        try {
            failPoints.pass(FailPoint.PAUSE);
            processes.freeze();
            save(cause, "", why);
        } catch (WrennException e) {
            processes.thaw();
            become(HostState.RUNNING, "");
            throw e;
        }
        endSessions(new WrennException(Kind.WRONG_STATE, "capsule " + id + " was paused"));
        become(HostState.PAUSED, why);
    }

    HostCapsule resume() {
        return inTurn(() -> {
            require(HostState.PAUSED, "resume");
            become(HostState.RESUMING, "");
            try {
                failPoints.pass(FailPoint.RESUME);
                processes.thaw();
            } catch (WrennException e) {
                become(HostState.PAUSED, e.shownMessage());
                throw e;
            }
            started();
        });
    }

    HostCapsule destroy() {
        return inTurn(() -> {
            if (state == HostState.DESTROYED) {
                return;
            }
            become(HostState.DESTROYING, "");
            failPoints.pass(FailPoint.DESTROY);
            endSessions(new WrennException(Kind.WRONG_STATE, "capsule " + id + " was destroyed"));
            discard();
            become(HostState.DESTROYED, "");
        });
    }

    /** Ends a running capsule for good, after something was done with its disk at rest. */
    HostCapsule retire(Consumer<Path> work) {
        return inTurn(() -> {
            require(HostState.RUNNING, "retire");
            become(HostState.DESTROYING, "");
            try {
                endSessions(new WrennException(Kind.WRONG_STATE, "capsule " + id + " was retired"));
                processes.vanish();
                work.accept(disk());
            } finally {
                discard();
                become(HostState.DESTROYED, "");
            }
        });
    }

    /** The VM ends by itself. */
    HostCapsule loseVm(String why) {
        return inTurn(() -> {
            require(HostState.RUNNING, "lose the VM of");
            endSessions(new WrennException(Kind.UNAVAILABLE, why));
            processes.vanish();
            if (!history.isEmpty()) {
                discard(disk());
                copy(history.currentDisk(), disk());
            }
            become(history.isEmpty() ? HostState.FAILED : HostState.PAUSED, why);
        });
    }

    /** Does something with the disk of the capsule at rest. */
    HostCapsule atRest(Consumer<Path> work) {
        return inTurn(() -> {
            if (state == HostState.RUNNING) {
                pauseNow(Cause.PAUSE, "");
            }
            require(HostState.PAUSED, "snapshot");
            work.accept(history.currentDisk());
        });
    }

    History history() {
        requirePresent();
        return history.shown();
    }

    CreateCapsule order() {
        return order;
    }

    HostCheckpoint checkpoint(String name) {
        return inTurnFor(() -> checkpointNow(Cause.ASKED, name));
    }

    private HostCheckpoint checkpointNow(Cause cause, String name) {
        if (!name.isEmpty()) {
            history.requireRoomForName();
        }
        if (state == HostState.PAUSED) {
            return history.rename(name);
        }
        require(HostState.RUNNING, "checkpoint");
        failPoints.pass(FailPoint.CHECKPOINT);
        return save(cause, name, "");
    }

    /** Its processes end: a simulated state is a disk. */
    HostCapsule rollback(CheckpointId checkpoint) {
        return inTurn(() -> {
            history.hold(history.require(checkpoint));
            boolean isRunning = state == HostState.RUNNING;
            if (isRunning) {
                pauseNow(Cause.ROLLBACK, "before going back to " + checkpoint);
            }
            require(HostState.PAUSED, "roll back");
            failPoints.pass(FailPoint.ROLLBACK);
            history.goBack(checkpoint);
            processes.vanish();
            discard(disk());
            copy(history.disk(checkpoint), disk());
            if (isRunning) {
                started();
            } else {
                become(HostState.PAUSED, "");
            }
        });
    }

    void deleteCheckpoint(CheckpointId checkpoint) {
        var _ =
                inTurn(() -> {
                    requirePresent();
                    history.delete(checkpoint);
                });
    }

    History retain(Retention retention) {
        return inTurnFor(() -> {
            requirePresent();
            return history.retain(retention);
        });
    }

    /** Does something with the disk of a saved state, the present one if none is named. */
    <T> T atForkPoint(Optional<CheckpointId> checkpoint, BiFunction<CheckpointId, Path, T> work) {
        return inTurnFor(() -> {
            var point =
                    checkpoint.isPresent()
                            ? history.require(checkpoint.get())
                            : checkpointNow(Cause.FORK, "").id();
            failPoints.pass(FailPoint.FORK);
            return work.apply(point, history.disk(point));
        });
    }

    private HostCheckpoint save(Cause cause, String name, String why) {
        var checkpoint = CheckpointId.random();
        copy(disk(), history.disk(checkpoint));
        return history.add(checkpoint, cause, name, why);
    }

    void ping() {
        require(HostState.RUNNING, "ping");
        failPoints.pass(FailPoint.PING);
        lastActiveAt = clock.instant();
    }

    /** There is no kernel that could say anything. */
    String console() {
        require(HostState.RUNNING, "read the console of");
        return "simulated capsule " + id + " runs";
    }

    GuestSession openSession() {
        require(HostState.RUNNING, "use");
        failPoints.pass(FailPoint.OPEN_SESSION);
        lastActiveAt = clock.instant();
        var session = new SimGuest(processes, files, failPoints, this::left);
        sessions.add(session);
        if (state != HostState.RUNNING) { // a pause came in between and may have missed it
            session.end(new WrennException(Kind.WRONG_STATE, "capsule " + id + " was paused"));
        }
        return session;
    }

    GuestPorts ports() {
        var now = ports; // read first: a run that ends meanwhile is refused by the state
        require(HostState.RUNNING, "reach");
        return now;
    }

    private SimPorts newPorts() {
        return new SimPorts(this::touch);
    }

    private void touch() {
        lastActiveAt = clock.instant();
    }

    private void left(SimGuest session) {
        lastActiveAt = clock.instant();
        sessions.remove(session);
    }

    /** Whether its expiry has passed and nobody uses it. */
    boolean isExpired() {
        return state == HostState.RUNNING
                && !order.expiry().isZero()
                && sessions.isEmpty()
                && !ports.isUsed()
                && Duration.between(lastActiveAt, clock.instant()).compareTo(order.expiry()) > 0;
    }

    void expire() {
        var _ =
                inTurn(() -> {
                    if (isExpired()) {
                        pauseNow(
                                Cause.PAUSE,
                                "expired after %d s without activity"
                                        .formatted(order.expiry().toSeconds()));
                    }
                });
    }

    HostCapsule report() {
        return new HostCapsule(
                id,
                generation.get(),
                state,
                vcpus,
                memoryMb,
                startedAt.equals(Instant.EPOCH) ? "" : "127.0.0.1",
                startedAt,
                lastActiveAt,
                VERSIONS,
                reason);
    }

    List<MetricPoint> metrics(Duration window) {
        return metrics.read(window, clock.instant());
    }

    HostState state() {
        return state;
    }

    /** Ends what runs and removes its files. */
    void discard() {
        processes.vanish();
        discard(folder);
    }

    private void started() {
        startedAt = clock.instant();
        lastActiveAt = startedAt;
        ports = newPorts();
        become(HostState.RUNNING, "");
    }

    private void endSessions(WrennException why) {
        sessions.forEach(s -> s.end(why));
        ports.end(why);
    }

    private HostCapsule inTurn(Runnable operation) {
        return inTurnFor(() -> {
            operation.run();
            return report();
        });
    }

    private <T> T inTurnFor(Supplier<T> operation) {
        turn.lock(); // held across the operation on purpose: that is what taking turns means
        try {
            return operation.get();
        } finally {
            turn.unlock();
        }
    }

    private void become(HostState next, String why) {
        if (next == HostState.RUNNING) {
            metrics.begin(clock.instant());
        } else {
            metrics.end(clock.instant());
        }
        reason = why;
        state = next;
        generation.incrementAndGet();
        reports.accept(report());
    }

    private void requirePresent() {
        if (state == HostState.DESTROYED) {
            throw unknown(id);
        }
    }

    private void require(HostState wanted, String operation) {
        requirePresent();
        if (state != wanted) {
            throw new WrennException(
                    Kind.WRONG_STATE,
                    "cannot %s capsule %s: it is %s"
                            .formatted(operation, id, state.name().toLowerCase(Locale.ROOT)));
        }
    }

    static WrennException unknown(CapsuleId id) {
        return new WrennException(Kind.ABSENT, "this host has no capsule " + id);
    }

    private Path disk() {
        return folder.resolve("disk");
    }

    private static void copy(Path from, Path to) {
        try {
            Folders.copy(from, to);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "a simulated disk cannot be copied", e);
        }
    }

    private static void discard(Path folder) {
        try {
            Folders.delete(folder);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "a simulated disk cannot be removed", e);
        }
    }
}
