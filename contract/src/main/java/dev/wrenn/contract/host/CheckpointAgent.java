package dev.wrenn.contract.host;

import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.CheckpointId;

/**
 * The saved states of a host's capsules, and what can be made of them. The rules of {@link
 * HostAgent} hold for these operations too: one after the other for a capsule, each to its end,
 * {@code ABSENT} for a capsule or checkpoint that is not there.
 */
public interface CheckpointAgent {
    /** What a capsule can go back to. */
    History history(CapsuleId capsule);

    /**
     * Saves the present state of a running capsule, which goes on running and is frozen only while
     * its changed memory is copied; returns when the state is durable. The state of a paused
     * capsule is saved already: then that checkpoint gets the name and is returned. {@code
     * CONFLICT} if the capsule has as many named checkpoints as it may have.
     *
     * @param name keeps it until it is deleted; empty leaves it to the retention
     */
    HostCheckpoint checkpoint(CapsuleId capsule, String name);

    /**
     * Goes back to a checkpoint. The state before stays as a checkpoint of its own. A paused
     * capsule stays paused and resumes from the chosen one; a running capsule is saved, its VM
     * ended, and resumed from the chosen one. If that resume fails, the capsule is paused at the
     * chosen one; if anything between the save and the resume fails, it is paused as it was saved;
     * if anything before fails, it is as it was.
     */
    HostCapsule rollback(CapsuleId capsule, CheckpointId checkpoint);

    /** Deletes a checkpoint; {@code WRONG_STATE} for the current one. */
    void delete(CapsuleId capsule, CheckpointId checkpoint);

    /** Changes which checkpoints a capsule keeps; what must go goes at once. */
    History retain(CapsuleId capsule, Retention retention);

    /**
     * Starts new capsules from one state of another. Each has its own identity, randomness and
     * clock; memory that none of them changes is read from the same files, disks share what is
     * equal. The parent of a fork that fails goes on, and so do the children that started. Fails
     * only if the state cannot be had; what keeps a single child from starting is told in the
     * result.
     */
    ForkResult fork(ForkCapsule order);
}
