package dev.wrenn.gateway;

import dev.wrenn.base.Forks;
import dev.wrenn.contract.guest.GuestPorts;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.eclipse.jetty.io.EndPoint;

/**
 * All that the gateway has under way with one run of a capsule. When the run ends, requests in
 * flight get the reason and connections are closed, the unused ones too; nothing hangs on a VM that
 * is gone.
 */
final class Passage {
    private final GuestPorts ports;
    private final Set<Visit> visits = ConcurrentHashMap.newKeySet();
    private final Set<EndPoint> connections = ConcurrentHashMap.newKeySet();
    private volatile Optional<RunEnded> ended = Optional.empty();

    Passage(GuestPorts ports) {
        this.ports = ports;
    }

    GuestPorts ports() {
        return ports;
    }

    /** Why the run ended, once it has. */
    Optional<RunEnded> ended() {
        return ended;
    }

    /** Takes part in a request until {@link #leave}. */
    void enter(Visit visit) {
        visits.add(visit);
        ended.ifPresent(visit::abort); // the end may have passed over the set before
    }

    void leave(Visit visit) {
        visits.remove(visit);
    }

    /** Closes that connection with the run. */
    void track(EndPoint connection) {
        connections.removeIf(c -> !c.isOpen());
        connections.add(connection);
        ended.ifPresent(connection::close);
    }

    /** The run has ended; called once. The closing goes on beside the caller, who is in a hurry. */
    void end(String reason) {
        var failure = new RunEnded(reason);
        ended = Optional.of(failure);
        if (!visits.isEmpty() || !connections.isEmpty()) {
            Forks.background(
                    "gateway-run-ended",
                    () -> {
                        visits.forEach(v -> v.abort(failure));
                        connections.forEach(c -> c.close(failure));
                    });
        }
    }
}
