package dev.wrenn.host.capsule;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.host.guest.AgentSession;
import dev.wrenn.host.guest.GuestAgent;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** The open sessions of one run, each of which keeps the capsule busy. Thread-safe. */
final class Sessions {
    private final GuestAgent guest;
    private final Activity activity;

    @GuardedBy("this")
    private final Set<AgentSession> open = new HashSet<>();

    @GuardedBy("this")
    private Optional<WrennException> ended = Optional.empty();

    Sessions(GuestAgent guest, Activity activity) {
        this.guest = guest;
        this.activity = activity;
    }

    /**
     * Opens one that keeps the capsule busy until it is closed.
     *
     * @throws WrennException why the run has ended, if it has
     */
    synchronized GuestSession open() {
        if (ended.isPresent()) {
            throw ended.get();
        }
        activity.begin();
        var self = new AgentSession[1];
        self[0] = new AgentSession(guest, () -> closed(self[0]));
        open.add(self[0]);
        return self[0];
    }

    private void closed(AgentSession session) {
        synchronized (this) {
            open.remove(session);
        }
        activity.end();
    }

    /** Ends the streams of all of them; their readers get the reason instead of a broken pipe. */
    void end(WrennException reason) {
        List<AgentSession> ending;
        synchronized (this) {
            ended = Optional.of(reason);
            ending = List.copyOf(open);
        }
        ending.forEach(session -> session.end(reason)); // outside of the lock: it closes streams
    }
}
