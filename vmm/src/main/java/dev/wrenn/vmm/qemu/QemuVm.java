package dev.wrenn.vmm.qemu;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.Pidfd;
import dev.wrenn.linux.ProcessIdentity;
import dev.wrenn.vmm.Vm;
import dev.wrenn.vmm.VmEnd;
import dev.wrenn.vmm.VmLife;
import dev.wrenn.vmm.VmSpec;
import dev.wrenn.vmm.VmmFailed;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A VM in a QEMU process.
 *
 * <p>The end of the monitor connection is how the end of the process is noticed: no thread waits
 * for the process as long as it lives. A guest that shuts down only stops QEMU's vCPUs; its last
 * words are read, then the process is ended like any other.
 */
final class QemuVm implements Vm {
    private static final Logger LOG = LoggerFactory.getLogger(QemuVm.class);
    private static final Duration EXIT_LIMIT = Duration.ofSeconds(10);
    private static final Duration CONSOLE_LIMIT = Duration.ofSeconds(2);

    private final VmSpec spec;
    private final RunFolder files;
    private final ProcessIdentity process;
    private final Pidfd pidfd;
    private final Qmp qmp;
    private final StateTransfer state;
    private final RunOrder order;
    private final VmOutput output;
    private final Consumer<QemuVm> onGone;
    private final VmLife life;

    /** Set before the process is ended because its guest shut down. */
    private volatile Optional<String> guestsLastWords = Optional.empty();

    /**
     * @param onGone called once when the VM is no longer this object's: ended, closed or detached
     */
    QemuVm(
            VmSpec spec,
            ProcessIdentity process,
            Pidfd pidfd,
            SocketChannel monitor,
            Consumer<QemuVm> onGone) {
        this.spec = spec;
        this.files = RunFolder.of(spec);
        this.process = process;
        this.pidfd = pidfd;
        this.onGone = onGone;
        this.life = new VmLife(spec.name());
        this.output = new VmOutput(files.log());
        this.qmp = new Qmp(spec.name(), monitor, this::take, this::monitorGone);
        this.state = new StateTransfer(qmp);
        this.order = new RunOrder(spec.name(), qmp, pidfd::kill);
    }

    /** Opens the conversation with a new or found QEMU. */
    void greet(Deadline deadline) {
        var attempt = "starting the VMM";
        var negotiated = qmp.send(attempt, "qmp_capabilities", Map.of());
        var configured = state.configure();
        orDied(
                attempt,
                () -> {
                    negotiated.await(deadline);
                    return configured.await(deadline);
                });
    }

    /** The same, and loads state: all said in one breath, so QEMU never waits for us. */
    void greetAndLoad(Deadline deadline) {
        var attempt = "loading VM state";
        var negotiated = qmp.send(attempt, "qmp_capabilities", Map.of());
        var configured = state.configure();
        var loading = state.load(QemuCommandLine.STATE_FD);
        orDied(
                attempt,
                () -> {
                    negotiated.await(deadline);
                    configured.await(deadline);
                    loading.await(deadline);
                    return true;
                });
    }

    /** What QEMU says the VM does (QEMU qapi/run-state.json, RunState). */
    String status(Deadline deadline) {
        return execute("asking for the state of the VM", "query-status", Map.of(), deadline)
                .path("status")
                .asText();
    }

    /** Takes care of a VM from here on that was found in that state. */
    void found(String status) {
        order.found(status);
    }

    VmSpec spec() {
        return spec;
    }

    VmOutput output() {
        return output;
    }

    @Override
    public ProcessIdentity process() {
        return process;
    }

    @Override
    public void resume(Deadline deadline) {
        orDied(
                "resuming the VM",
                () -> {
                    order.run(deadline);
                    return true;
                });
    }

    @Override
    public void freeze(Deadline deadline) {
        orDied(
                "freezing the VM",
                () -> {
                    order.stop(deadline);
                    return true;
                });
    }

    @Override
    public boolean isRunning(Deadline deadline) {
        return status(deadline).equals("running");
    }

    @Override
    public Optional<Path> saveState(Path to, Deadline deadline) {
        if (isRunning(deadline)) {
            throw new WrennException(Kind.WRONG_STATE, "a VM must be frozen to save its state");
        }
        orDied(
                "saving VM state",
                () -> {
                    state.save(to, files.jail(), deadline);
                    return true;
                });
        return Optional.empty();
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
        var answer =
                execute(
                        "reading the console",
                        "ringbuf-read",
                        Map.of(
                                "device",
                                QemuCommandLine.CONSOLE,
                                "size",
                                QemuCommandLine.CONSOLE_BYTES,
                                "format",
                                "base64"),
                        deadline);
        return output.addConsole(answer.asText());
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
            qmp.close();
            pidfd.close();
            files.clear();
            onGone.accept(this);
        }
    }

    @Override
    public void detach() {
        if (life.leave()) {
            qmp.close();
            pidfd.close();
            onGone.accept(this);
        }
    }

    private JsonNode execute(
            String attempt, String command, Map<String, Object> arguments, Deadline deadline) {
        return orDied(attempt, () -> qmp.execute(attempt, command, arguments, deadline));
    }

    /** A monitor that is gone means a VM that ended; how it ended is known a moment later. */
    private <T> T orDied(String attempt, Supplier<T> call) {
        try {
            return call.get();
        } catch (Qmp.QmpClosed closed) {
            var died = life.died(attempt, EXIT_LIMIT);
            if (died.isPresent()) {
                throw died.get();
            }
            throw closed;
        }
    }

    private void take(Qmp.Event event) {
        if (event.name().equals("SHUTDOWN") && event.data().path("guest").asBoolean()) {
            // Not on this thread, which must go on reading the answers.
            Loop.once("guest end " + spec.name(), this::endAfterGuest);
        } else if (event.name().equals("STOP")) {
            order.stopped();
        }
    }

    private void endAfterGuest() {
        try {
            console(Deadline.after(CONSOLE_LIMIT));
        } catch (WrennException e) {
            LOG.atWarn().setCause(e).addKeyValue("vm", spec.name()).log("no last words of guest");
        }
        guestsLastWords = Optional.of(output.lastLines());
        if (life.isOurs()) {
            pidfd.kill();
        }
    }

    private void monitorGone() {
        if (life.isOurs()) {
            // Waiting for the process is a native call: not on the virtual thread of the reader.
            Loop.onPlatformThread("vm end " + spec.name(), this::settleEnd);
        }
    }

    private void settleEnd() {
        if (!awaitExit(pidfd)) {
            LOG.atError()
                    .addKeyValue("vm", spec.name())
                    .addKeyValue("pid", process.pid())
                    .log("monitor gone but process stays; killing it");
            pidfd.kill();
            awaitExit(pidfd);
        }
        life.settle(
                guestsLastWords
                        .map(words -> new VmEnd(VmEnd.Cause.GUEST, words))
                        .orElseGet(() -> new VmEnd(VmEnd.Cause.VMM, output.lastLines())));
    }

    static boolean awaitExit(Pidfd pidfd) {
        try (var forks = new Forks()) {
            return forks.startOnPlatformThread(
                            "await exit", () -> pidfd.awaitExit(Deadline.after(EXIT_LIMIT)))
                    .take(EXIT_LIMIT.plusSeconds(1));
        }
    }
}
