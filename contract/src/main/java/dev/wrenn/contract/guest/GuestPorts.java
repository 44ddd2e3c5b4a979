package dev.wrenn.contract.guest;

import java.nio.channels.SocketChannel;
import java.util.function.Consumer;

/**
 * The TCP ports of one run of a capsule, as a gateway reaches them: from a start or resume to the
 * pause, loss or destruction that ends it. The next run has ports of its own, so whoever keeps this
 * can never reach another capsule, or the same one at an address that it no longer has.
 *
 * <p>Keeping it does not keep the capsule busy; each {@link Use} does. Thread-safe. Failures are
 * those of {@link GuestSession}.
 */
public interface GuestPorts {
    /** Whether the run still goes on. */
    boolean isOpen();

    /**
     * Counts as activity; the capsule is busy and does not expire until the use is closed.
     *
     * <p>Fails with {@code WRONG_STATE} if the run has ended.
     */
    Use use();

    /**
     * Connects to a port, also to one that is bound to the guest's loopback only. Tries once.
     *
     * <p>Fails with {@code UNAVAILABLE} if nothing listens there, with {@code INVALID} for the
     * guest agent's own port, with {@code WRONG_STATE} if the run has ended.
     *
     * @return in blocking mode; belongs to the caller, and is closed when the run ends
     */
    SocketChannel connect(int port);

    /**
     * Calls the listener when the run ends, with the reason in words for people; at once if it has
     * ended. It must return quickly and not call back.
     */
    void onEnd(Consumer<String> listener);

    /** One use of the ports, such as a request under way. */
    interface Use extends AutoCloseable {
        @Override
        void close();
    }
}
