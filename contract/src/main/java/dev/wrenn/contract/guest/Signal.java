package dev.wrenn.contract.guest;

/** Signals that can be sent to a process. */
public enum Signal {
    /** Asks it to end. */
    TERM,
    /** Ends it. */
    KILL
}
