package dev.wrenn.control.capsule;

import java.util.Locale;

/** What clients are told of a capsule's state; these are all the texts there are. */
public enum Status {
    /** Being created. */
    PENDING,
    /** Running. */
    RUNNING,
    /** Saved. */
    PAUSED,
    /** Destroyed. */
    STOPPED,
    /** Its host does not answer. */
    MISSING,
    /** Could not be created, or lost its VM with nothing saved. */
    ERROR;

    /** As it is written and stored. */
    public String wire() {
        return name().toLowerCase(Locale.ROOT);
    }

    static Status of(String wire) {
        return valueOf(wire.toUpperCase(Locale.ROOT));
    }
}
