package dev.wrenn.contract.host;

import dev.wrenn.contract.CheckpointId;
import java.time.Instant;
import java.util.Optional;

/**
 * One saved state of a capsule: memory, processes and disk of one instant.
 *
 * @param id its id
 * @param name given by people; empty if none
 * @param cause why it was made
 * @param reason the same in words for people; empty if it was asked for
 * @param parent the state that the capsule went on from before this one, which may be gone
 * @param createdAt when it was saved
 * @param writtenBytes memory that it added to its parent
 * @param isCurrent whether a resume, or the recovery of a lost VM, starts from it
 */
public record HostCheckpoint(
        CheckpointId id,
        String name,
        Cause cause,
        String reason,
        Optional<CheckpointId> parent,
        Instant createdAt,
        long writtenBytes,
        boolean isCurrent) {
    /** Why a checkpoint was made. */
    public enum Cause {
        /** The capsule was paused. */
        PAUSE,
        /** Somebody asked for it while the capsule ran. */
        ASKED,
        /** Capsules were forked off at this point. */
        FORK,
        /** The state that a rollback left behind. */
        ROLLBACK
    }
}
