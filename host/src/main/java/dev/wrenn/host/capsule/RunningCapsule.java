package dev.wrenn.host.capsule;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Pause;
import dev.wrenn.base.Resource;
import dev.wrenn.base.UndoStack;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.host.guest.GuestAgent;
import dev.wrenn.host.guest.RunPorts;
import dev.wrenn.host.journal.RunRecord;
import dev.wrenn.network.Slot;
import dev.wrenn.pager.PageServer;
import dev.wrenn.snapshot.SnapshotId;
import dev.wrenn.vmm.Vm;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * One run of a capsule: its VM and all that serves it. Closing it ends the VM and gives everything
 * back, newest first.
 *
 * @param base the snapshot that memory is served from; empty for a cold boot
 * @param loss tells if VM or pages are lost
 */
record RunningCapsule(
        String capsule,
        Optional<SnapshotId> base,
        Slot slot,
        Path disk,
        PageServer pages,
        Vm vm,
        GuestAgent guest,
        RunRecord record,
        Activity activity,
        Sessions sessions,
        RunPorts ports,
        Loss loss,
        UndoStack teardown)
        implements Resource {
    private static final Duration LOOK_INTERVAL = Duration.ofMillis(10);

    static RunningCapsule of(
            String capsule,
            Optional<SnapshotId> base,
            Slot slot,
            Path disk,
            PageServer pages,
            Vm vm,
            GuestAgent guest,
            RunRecord record,
            Activity activity,
            Loss loss,
            UndoStack teardown) {
        return new RunningCapsule(
                capsule,
                base,
                slot,
                disk,
                pages,
                vm,
                guest,
                record,
                activity,
                new Sessions(guest, activity),
                new RunPorts(guest, activity::begin, activity::end),
                loss,
                teardown);
    }

    /** Opens a session that keeps the capsule busy until it is closed. */
    GuestSession openSession() {
        return sessions.open();
    }

    /**
     * Ends the streams of all sessions and the connections to ports; their readers get the reason
     * instead of a broken pipe.
     */
    void endSessions(WrennException reason) {
        sessions.end(reason);
        ports.end(reason);
    }

    /** Lets go of the VM, which goes on, and of what this process has open for it. */
    void detach() {
        guest.close();
        pages.close();
        vm.detach();
    }

    /** Ends the VM from inside: processes killed, disk written back and put at rest. */
    void shutDown(Deadline deadline) {
        guest.shutDown(deadline);
        if (!Pause.until(() -> !vm.isAlive(), LOOK_INTERVAL, deadline)) {
            throw new WrennException(
                    Kind.UNAVAILABLE, "the guest of capsule " + capsule + " does not shut down");
        }
    }

    @Override
    public void close() {
        teardown.close();
    }
}
