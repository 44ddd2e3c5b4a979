package dev.wrenn.contract.guest;

import java.util.Optional;

/**
 * The events of one process. A reader that is slow slows the process down, nothing is dropped.
 * Closing it detaches; the process goes on. Read by one thread; closing from another one ends a
 * waiting {@link #next()}.
 */
public interface ProcessStream extends AutoCloseable {
    /**
     * Waits for the next event.
     *
     * @return empty after {@link ProcessEvent.Ended} or after {@link #close()}
     * @throws RuntimeException a {@code WrennException}: {@code WRONG_STATE} if the capsule was
     *     paused or destroyed, {@code UNAVAILABLE} if the guest does not answer any more
     */
    Optional<ProcessEvent> next();

    @Override
    void close();
}
