package dev.wrenn.contract.guest;

import java.util.Optional;

/**
 * The changes of a directory since the watch was opened. Read by one thread; closing from another
 * one ends a waiting {@link #next()}.
 *
 * <p>A reader that is slow holds nobody up: the guest keeps changes for it, and if they become too
 * many, the watch fails instead of leaving some out.
 */
public interface FileWatch extends AutoCloseable {
    /**
     * Waits for the next change.
     *
     * @return empty after {@link #close()}
     * @throws RuntimeException a {@code WrennException}: {@code EXHAUSTED} if changes were lost,
     *     {@code WRONG_STATE} if the capsule was paused or destroyed, {@code UNAVAILABLE} if the
     *     guest does not answer any more
     */
    Optional<FileChange> next();

    @Override
    void close();
}
