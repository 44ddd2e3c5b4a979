package dev.wrenn.vmm.qemu;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Loop;
import dev.wrenn.base.Pause;
import dev.wrenn.base.WrennException;
import java.time.Duration;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Whether the vCPUs of one VM shall run, and what is done when QEMU stops them unasked.
 *
 * <p>QEMU does that when the host's disk is full: the guest's write is kept and the guest sees
 * nothing but time that passed. The VM is told to go on every few seconds until it can, instead of
 * letting the write fail and the guest's file system break. It also does it when a vCPU cannot go
 * on at all; then the process is ended, for nothing else would ever tell.
 *
 * <p>QEMU obeys in the order of the lines it reads, so a line is written under the same lock under
 * which the wish is changed: a retry can never follow a freeze. Only the write to the socket's
 * buffer happens under the lock, never the wait for the answer.
 */
final class RunOrder {
    private static final Logger LOG = LoggerFactory.getLogger(RunOrder.class);
    private static final Duration RETRY_PERIOD = Duration.ofSeconds(3);
    private static final Duration ANSWER_LIMIT = Duration.ofSeconds(10);

    private final String name;
    private final Qmp qmp;
    private final Runnable kill;
    private final Object lock = new Object();

    @GuardedBy("lock")
    private boolean shallRun;

    @GuardedBy("lock")
    private boolean isLooking;

    /**
     * @param kill ends the process
     */
    RunOrder(String name, Qmp qmp, Runnable kill) {
        this.name = name;
        this.qmp = qmp;
        this.kill = kill;
    }

    void run(Deadline deadline) {
        Qmp.Waiting answer;
        synchronized (lock) {
            shallRun = true;
            answer = qmp.send("resuming the VM", "cont", Map.of());
        }
        answer.await(deadline);
    }

    void stop(Deadline deadline) {
        Qmp.Waiting answer;
        synchronized (lock) {
            shallRun = false;
            answer = qmp.send("freezing the VM", "stop", Map.of());
        }
        answer.await(deadline);
    }

    /** A VM was found in this state (QEMU qapi/run-state.json, RunState). */
    void found(String status) {
        synchronized (lock) {
            shallRun = status.equals("running") || status.equals("io-error");
        }
        stopped();
    }

    /** QEMU says that the vCPUs stand still; called on the thread that reads the answers. */
    void stopped() {
        synchronized (lock) {
            if (!shallRun || isLooking) {
                return;
            }
            isLooking = true;
        }
        Loop.once("vm stopped " + name, this::lookAfter);
    }

    private void lookAfter() {
        try {
            if (!status().equals("io-error")) {
                return;
            }
            LOG.atWarn()
                    .addKeyValue("vm", name)
                    .log("vm waits: the host cannot store what it writes");
            while (goOn()) {
                Pause.until(() -> false, RETRY_PERIOD, Deadline.after(RETRY_PERIOD));
                if (!status().equals("io-error")) {
                    LOG.atInfo().addKeyValue("vm", name).log("vm goes on");
                    return;
                }
            }
        } catch (Qmp.QmpClosed _) {
            // The VM ended or was let go of; whoever owns it knows.
        } catch (WrennException e) {
            LOG.atWarn().setCause(e).addKeyValue("vm", name).log("cannot look after a vm");
        } finally {
            synchronized (lock) {
                isLooking = false;
            }
        }
    }

    /** Tells the VM to run if that still is the wish. */
    private boolean goOn() {
        Qmp.Waiting answer;
        synchronized (lock) {
            if (!shallRun) {
                return false;
            }
            answer = qmp.send("resuming the VM", "cont", Map.of());
        }
        answer.await(Deadline.after(ANSWER_LIMIT));
        return true;
    }

    private String status() {
        var status =
                qmp.execute(
                                "asking for the state of the VM",
                                "query-status",
                                Map.of(),
                                Deadline.after(ANSWER_LIMIT))
                        .path("status")
                        .asText();
        if (status.equals("internal-error")) {
            LOG.atError().addKeyValue("vm", name).log("a vcpu cannot go on; ending the vm");
            kill.run();
        }
        return status;
    }
}
