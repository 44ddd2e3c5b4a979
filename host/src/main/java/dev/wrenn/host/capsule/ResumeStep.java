package dev.wrenn.host.capsule;

/** The steps of {@link ResumePath}, in their order. */
public enum ResumeStep implements Step {
    /** Make the run folder with its record. */
    RUN_FOLDER,
    /** Take a network slot; beside the two that follow. */
    SLOT,
    /** Open the snapshot. */
    SNAPSHOT,
    /** Clone its disk. */
    DISK,
    /** Write the slot down. */
    SLOT_RECORD,
    /** Listen for the VMM's page faults. */
    PAGES,
    /** Start the VMM and load its state. */
    VMM,
    /** Write the VMM's process down. */
    VMM_RECORD,
    /** Let the vCPUs run. */
    VCPUS,
    /** Tell the guest agent who it is. */
    GUEST,
    /** Write down that the run is worth adopting. */
    SERVING_RECORD,
    /** Nothing is left to do. */
    READY
}
