package dev.wrenn.host.capsule;

import dev.wrenn.base.ByteSize;

/**
 * How much of the machine capsules may use.
 *
 * @param memoryReserve memory kept for everything but guests
 * @param memoryOvercommit how many times the rest may be promised to guests, which load it lazily
 * @param checkpointMemory most memory for pages of checkpoints of running capsules; what does not
 *     fit is written while the capsule is frozen
 * @param diskReserve room kept for saving the capsules that run: below it none is started
 */
public record Capacity(
        ByteSize memoryReserve,
        double memoryOvercommit,
        ByteSize checkpointMemory,
        ByteSize diskReserve) {
    /** What is used where nothing else is said. */
    public static final Capacity DEFAULTS =
            new Capacity(ByteSize.mib(1024), 1.5, ByteSize.mib(256), ByteSize.gib(1));

    /** Checks ranges. */
    public Capacity {
        if (!(memoryOvercommit >= 0.1 && memoryOvercommit <= 100)) {
            throw new IllegalArgumentException("memory-overcommit must be 0.1 to 100");
        }
    }
}
