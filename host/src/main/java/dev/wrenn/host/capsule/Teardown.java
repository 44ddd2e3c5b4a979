package dev.wrenn.host.capsule;

import dev.wrenn.base.WrennException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Ends the runs of one capsule, on the capsule's own thread, and knows whether anything is left.
 */
final class Teardown {
    private static final Logger LOG = LoggerFactory.getLogger(Teardown.class);

    private final String capsule;
    private final Machinery machinery;
    private volatile boolean hasLeftovers; // set on the capsule's thread, read by the host's clock

    Teardown(String capsule, Machinery machinery) {
        this.capsule = capsule;
        this.machinery = machinery;
    }

    /**
     * Ends a run. A teardown that fails leaves something for the next clean-up, but must not undo
     * what was decided.
     */
    void end(RunningCapsule run, WrennException why, String operation) {
        try (run) {
            run.endSessions(why);
            machinery.steps().before(PauseStep.VM_END);
        } catch (RuntimeException e) {
            hasLeftovers = true;
            LOG.atError()
                    .setCause(e)
                    .addKeyValue("capsule", capsule)
                    .addKeyValue("operation", operation)
                    .log("ending the capsule's VM left something behind");
        }
    }

    /** Whether a run that is over could not delete what it had. */
    boolean hasLeftovers() {
        return hasLeftovers;
    }

    /** Deletes it, unless there is a run again: that has begun with deleting it. */
    void cleanUp(CapsuleState state) {
        if (state instanceof CapsuleState.Paused || state instanceof CapsuleState.Failed) {
            removeLeftovers();
        }
    }

    /** Deletes what a run had; only while there is none. */
    void removeLeftovers() {
        ResumePath.deleteFile(machinery.diskOf(capsule));
        ResumePath.deleteFolder(machinery.journal().runFolder(capsule));
        hasLeftovers = false;
    }
}
