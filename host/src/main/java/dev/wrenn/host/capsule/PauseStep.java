package dev.wrenn.host.capsule;

/** The steps of a pause, in their order. */
public enum PauseStep implements Step {
    /** Ask the guest to write back what it holds. */
    QUIESCE,
    /** Stop the vCPUs. */
    FREEZE,
    /** Clone the disk; beside the two that follow. */
    DISK,
    /** Save the state of devices and vCPUs. */
    VM_STATE,
    /** Copy the memory that has changed. */
    MEMORY,
    /** Keep what the next resume will touch. */
    WORKING_SET,
    /** Make the snapshot exist. */
    SEAL,
    /** Name the snapshot in the journal. From here on the capsule is paused, whatever happens. */
    JOURNAL,
    /** End the VM. */
    VM_END;

    /** Whether the capsule is safe by then: a failure at this step does not undo the pause. */
    public boolean isCommitted() {
        return this == VM_END;
    }
}
