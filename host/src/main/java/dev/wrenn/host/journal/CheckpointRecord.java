package dev.wrenn.host.journal;

import dev.wrenn.contract.host.HostCheckpoint.Cause;

/**
 * One saved state of a capsule, as its journal names it.
 *
 * @param checkpoint its id
 * @param snapshot what holds it; forked capsules may share one
 * @param parent checkpoint that the run went on from, empty if it came from a template
 * @param name given by people; while it has one it stays
 * @param cause why it was made
 * @param reason the same in words
 * @param createdAtMillis since the epoch
 * @param writtenBytes memory that it added
 */
public record CheckpointRecord(
        String checkpoint,
        String snapshot,
        String parent,
        String name,
        Cause cause,
        String reason,
        long createdAtMillis,
        long writtenBytes) {
    /** With that name. */
    public CheckpointRecord named(String newName) {
        return new CheckpointRecord(
                checkpoint,
                snapshot,
                parent,
                newName,
                cause,
                reason,
                createdAtMillis,
                writtenBytes);
    }

    /** The same state as the first one of a capsule that was forked off at it. */
    CheckpointRecord asOrigin() {
        return new CheckpointRecord(
                checkpoint, snapshot, "", "", Cause.FORK, reason, createdAtMillis, 0);
    }
}
