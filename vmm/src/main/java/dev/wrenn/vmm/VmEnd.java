package dev.wrenn.vmm;

/**
 * How a VM came to its end.
 *
 * @param cause who ended it
 * @param lastOutput last lines of console and VMM for the log; partly written by the guest
 */
public record VmEnd(Cause cause, String lastOutput) {
    /** Who ended it. */
    public enum Cause {
        /** The guest powered off, rebooted or panicked. */
        GUEST,
        /** The VMM process ended: killed, out of memory, or of its own mistake. */
        VMM
    }
}
