package dev.wrenn.host.capsule;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Pause;
import dev.wrenn.base.Resource;
import dev.wrenn.base.UndoStack;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.host.guest.AgentSession;
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
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * One run of a capsule: its VM and all that serves it. Closing it ends the VM and gives everything
 * back, newest first.
 *
 * @param base the snapshot that memory is served from; empty for a cold boot
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
        Set<AgentSession> sessions,
        RunPorts ports,
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
                ConcurrentHashMap.newKeySet(),
                new RunPorts(guest, activity::begin, activity::end),
                teardown);
    }

    /** Opens a session that keeps the capsule busy until it is closed. */
    GuestSession openSession() {
        activity.begin();
        var self = new AgentSession[1];
        var session =
                new AgentSession(
                        guest,
                        () -> {
                            sessions.remove(self[0]);
                            activity.end();
                        });
        self[0] = session;
        sessions.add(session);
        return session;
    }

    /**
     * Ends the streams of all sessions and the connections to ports; their readers get the reason
     * instead of a broken pipe.
     */
    void endSessions(WrennException reason) {
        sessions.forEach(s -> s.end(reason));
        ports.end(reason);
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
