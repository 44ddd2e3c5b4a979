package dev.wrenn.gateway;

import dev.wrenn.contract.guest.GuestPorts;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import org.eclipse.jetty.client.Request;

/**
 * One request's stay in a capsule: keeps the capsule busy, and knows how to end the request when
 * the capsule's run ends. Ended by its request or, after an upgrade, by the tunnel.
 */
final class Visit {
    static final String ATTRIBUTE = Visit.class.getName();

    private final Passage passage;
    private final int port;
    private final GuestPorts.Use use;
    private final AtomicBoolean over = new AtomicBoolean();
    private volatile Optional<Request> request = Optional.empty();
    private volatile boolean upgraded;

    private Visit(Passage passage, int port, GuestPorts.Use use) {
        this.passage = passage;
        this.port = port;
        this.use = use;
    }

    /**
     * Begins a visit.
     *
     * @throws dev.wrenn.base.WrennException WRONG_STATE if the run has ended
     */
    static Visit begin(Passage passage, int port) {
        return new Visit(passage, port, passage.ports().use());
    }

    /** The visit that a request is. */
    static Visit of(org.eclipse.jetty.server.Request request) {
        return (Visit) request.getAttribute(ATTRIBUTE);
    }

    Passage passage() {
        return passage;
    }

    int port() {
        return port;
    }

    /** The request to the guest is about to be sent. */
    void sends(Request toGuest) {
        request = Optional.of(toGuest);
        passage.enter(this);
    }

    /** From now on a tunnel ends the visit, and no longer the answer. */
    void upgraded() {
        upgraded = true;
    }

    /** Ends the request to the guest. */
    void abort(Throwable why) {
        request.ifPresent(r -> {
            var _ = r.abort(why);
        });
    }

    /** The answer was sent, or could not be. */
    void answered() {
        if (!upgraded) {
            end();
        }
    }

    void end() {
        if (over.compareAndSet(false, true)) {
            passage.leave(this);
            use.close();
        }
    }
}
