package dev.wrenn.linux;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Resource;

/**
 * A program that was started by {@link Spawn}. Closing it forgets the process without ending it.
 *
 * @param identity its number and start time
 * @param pidfd handle to signal and wait
 */
public record SpawnedProcess(ProcessIdentity identity, Pidfd pidfd) implements Resource {
    /** Ends it at once. */
    public void kill() {
        pidfd.kill();
    }

    /** Waits for its end and reaps it. */
    public boolean awaitExit(Deadline deadline) {
        return pidfd.awaitExit(deadline);
    }

    @Override
    public void close() {
        pidfd.close();
    }
}
