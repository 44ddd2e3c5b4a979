package dev.wrenn.vmm.firecracker;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.Pidfd;
import dev.wrenn.linux.ProcessIdentity;
import dev.wrenn.linux.SparseFile;
import dev.wrenn.vmm.BootSource;
import dev.wrenn.vmm.LastWords;
import dev.wrenn.vmm.Vm;
import dev.wrenn.vmm.VmEnd;
import dev.wrenn.vmm.VmLife;
import dev.wrenn.vmm.VmSpec;
import dev.wrenn.vmm.VmmFailed;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A VM in a Firecracker process.
 *
 * <p>One idle connection to the API tells when the process ends: no thread waits for the process as
 * long as it lives. A guest that resets its machine makes Firecracker end with success, and say so
 * in its log.
 */
final class FirecrackerVm implements Vm {
    private static final Logger LOG = LoggerFactory.getLogger(FirecrackerVm.class);
    private static final Duration EXIT_LIMIT = Duration.ofSeconds(10);
    private static final String GUEST_ENDED = "exit_code=0";

    /**
     * How the memory came to be, and so what a save of it holds.
     *
     * <p>A booted VM is saved whole each time. Of a restored one only what was written since is
     * saved; Firecracker forgets what it has saved once, so all saves of a process go into one
     * file, which holds everything since the restore whatever became of the saves in between.
     */
    enum Origin {
        BOOTED("Full"),
        RESTORED("Diff");

        private final String snapshotType;

        Origin(String snapshotType) {
            this.snapshotType = snapshotType;
        }
    }

    private final VmSpec spec;
    private final Jail jail;
    private final Origin origin;
    private final ProcessIdentity process;
    private final Pidfd pidfd;
    private final Api api;
    private final SocketChannel watched;
    private final Output output;
    private final Output log;
    private final Consumer<FirecrackerVm> onGone;
    private final VmLife life;

    /**
     * @param watched a connection to the API that nobody else uses
     * @param output what the process prints, guest's console included
     * @param log its log
     * @param onGone called once when the VM is no longer this object's: closed or detached
     */
    FirecrackerVm(
            VmSpec spec,
            Jail jail,
            Origin origin,
            ProcessIdentity process,
            Pidfd pidfd,
            Api api,
            SocketChannel watched,
            Output output,
            Output log,
            Consumer<FirecrackerVm> onGone) {
        this.spec = spec;
        this.jail = jail;
        this.origin = origin;
        this.process = process;
        this.pidfd = pidfd;
        this.api = api;
        this.watched = watched;
        this.output = output;
        this.log = log;
        this.onGone = onGone;
        this.life = new VmLife(spec.name());
        Forks.background("vm watch " + spec.name(), this::watch);
    }

    void boot(Machine machine, BootSource source, Deadline deadline) {
        orDied("booting the VM", () -> machine.boot(api, source, deadline));
    }

    void restore(Machine machine, Deadline deadline) {
        orDied("loading VM state", () -> machine.restore(api, deadline));
    }

    /** Empties the pipes, so that what comes next finds room. */
    void readOutput() {
        output.read();
        log.read();
    }

    /** Whether it has a guest at all. */
    boolean isStarted(Deadline deadline) {
        return !state(deadline).equals("Not started");
    }

    @Override
    public ProcessIdentity process() {
        return process;
    }

    @Override
    public void resume(Deadline deadline) {
        become("resuming the VM", "Resumed", deadline);
    }

    /**
     * The vCPUs stand still with the first answer. The devices may have been told of work by then
     * that they do next; a device that waited in the same round of Firecracker's event loop as the
     * first of two more requests has done it before the second is answered.
     */
    @Override
    public void freeze(Deadline deadline) {
        become("freezing the VM", "Paused", deadline);
        state(deadline);
        state(deadline);
    }

    @Override
    public boolean isRunning(Deadline deadline) {
        return state(deadline).equals("Running");
    }

    @Override
    public Optional<Path> saveState(Path to, Deadline deadline) {
        if (isRunning(deadline)) {
            throw new WrennException(Kind.WRONG_STATE, "a VM must be frozen to save its state");
        }
        if (origin == Origin.RESTORED
                && !SparseFile.holesArePageExact(jail.scratch(), spec.memory().bytes())) {
            throw new VmmFailed(
                    Kind.UNAVAILABLE,
                    "saving VM state",
                    new LastWords(
                            "the file system of "
                                    + jail.scratch()
                                    + " has blocks of more than 4 KiB, so changed pages cannot be"
                                    + " told from others"));
        }
        delete(jail.inScratch(Jail.SAVED_STATE)); // of a save that could not be stored
        orDied(
                "saving VM state",
                () ->
                        api.put(
                                "saving VM state",
                                "/snapshot/create",
                                Map.of(
                                        "snapshot_type", origin.snapshotType,
                                        "snapshot_path", Jail.SAVED_STATE,
                                        "mem_file_path", Jail.SAVED_MEMORY),
                                deadline));
        take(jail.inScratch(Jail.SAVED_STATE), to);
        return Optional.of(jail.inScratch(Jail.SAVED_MEMORY));
    }

    private static void delete(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "removing a VM state", e);
        }
    }

    /** Firecracker made the file; it becomes root's and goes where it is wanted. */
    private static void take(Path from, Path to) {
        try {
            Files.setAttribute(from, "unix:uid", 0);
            Files.setAttribute(from, "unix:gid", 0);
            Files.move(from, to);
        } catch (IOException e) {
            var failure = new VmmFailed(Kind.UNAVAILABLE, "storing VM state", e);
            try {
                Files.deleteIfExists(to);
            } catch (IOException suppressed) {
                failure.addSuppressed(suppressed);
            }
            throw failure;
        }
    }

    @Override
    public boolean isAlive() {
        return !life.hasEnded() && process.isAlive();
    }

    @Override
    public void onEnd(Consumer<VmEnd> listener) {
        life.onEnd(listener);
    }

    @Override
    public String console(Deadline deadline) {
        return output.read();
    }

    /**
     * Ends the process without asking it: a frozen VM has nothing left to write, and what a running
     * one had written survives in the page cache.
     */
    @Override
    public void close() {
        if (!life.leave()) {
            return;
        }
        pidfd.kill();
        try {
            if (!awaitExit(pidfd)) {
                throw new VmmFailed(
                        Kind.UNAVAILABLE,
                        "ending the VM",
                        new WrennException(Kind.BUG, "process " + process.pid() + " does not end"));
            }
        } finally { // also if the wait was interrupted
            letGo();
            jail.clear();
        }
    }

    @Override
    public void detach() {
        if (life.leave()) {
            letGo();
        }
    }

    private void letGo() {
        onGone.accept(this);
        try {
            watched.close();
        } catch (IOException e) {
            LOG.atWarn().setCause(e).log("cannot close a connection to a vmm");
        }
        output.close();
        log.close();
        pidfd.close();
    }

    private void become(String attempt, String state, Deadline deadline) {
        orDied(attempt, () -> api.patch(attempt, "/vm", Map.of("state", state), deadline));
    }

    private String state(Deadline deadline) {
        var attempt = "asking for the state of the VM";
        return orDied(attempt, () -> api.get(attempt, "/", deadline)).path("state").asText();
    }

    private void orDied(String attempt, Runnable call) {
        orDied(
                attempt,
                () -> {
                    call.run();
                    return true;
                });
    }

    /** An API that is gone means a VM that ended; how it ended is known a moment later. */
    private <T> T orDied(String attempt, Supplier<T> call) {
        try {
            return call.get();
        } catch (ApiGone gone) {
            var died = life.died(attempt, EXIT_LIMIT);
            if (died.isPresent()) {
                throw died.get();
            }
            throw gone;
        }
    }

    /** Nothing ever comes over this connection but its end. */
    private void watch() {
        try {
            while (watched.read(ByteBuffer.allocate(1)) >= 0) {
                LOG.atDebug().addKeyValue("vm", spec.name()).log("unexpected word of a vmm");
            }
        } catch (IOException e) {
            LOG.atDebug().setCause(e).addKeyValue("vm", spec.name()).log("connection to vmm ended");
        }
        if (life.isOurs()) {
            // Waiting for the process is a native call: not on this virtual thread.
            Loop.onPlatformThread("vm end " + spec.name(), this::settleEnd);
        }
    }

    private void settleEnd() {
        if (!awaitExit(pidfd)) {
            LOG.atError()
                    .addKeyValue("vm", spec.name())
                    .addKeyValue("pid", process.pid())
                    .log("connection gone but process stays; killing it");
            pidfd.kill();
            awaitExit(pidfd);
        }
        var said = log.read();
        life.settle(
                said.contains(GUEST_ENDED)
                        ? new VmEnd(VmEnd.Cause.GUEST, output.read().strip())
                        : new VmEnd(VmEnd.Cause.VMM, (output.read() + "\n" + said).strip()));
    }

    static boolean awaitExit(Pidfd pidfd) {
        try (var forks = new Forks()) {
            return forks.startOnPlatformThread(
                            "await exit", () -> pidfd.awaitExit(Deadline.after(EXIT_LIMIT)))
                    .take(EXIT_LIMIT.plusSeconds(1));
        }
    }
}
