package dev.wrenn.control.build;

import java.util.Locale;

/** How far a build is. */
enum BuildStatus {
    /** Waits for a worker. */
    PENDING,
    /** A worker has it. */
    RUNNING,
    /** Its template is there. */
    SUCCESS,
    /** It says why. */
    FAILED,
    /** Somebody did not want it any more. */
    CANCELLED;

    boolean isFinal() {
        return switch (this) {
            case PENDING, RUNNING -> false;
            case SUCCESS, FAILED, CANCELLED -> true;
        };
    }

    String wire() {
        return name().toLowerCase(Locale.ROOT);
    }

    static BuildStatus of(String wire) {
        return valueOf(wire.toUpperCase(Locale.ROOT));
    }
}
