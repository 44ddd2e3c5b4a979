package dev.wrenn.linux;

import dev.wrenn.base.Kind;
import java.io.IOException;

/** What people can do something about when a file system refuses to write. */
public enum FileTrouble {
    /** No room (ENOSPC). */
    FULL(Kind.EXHAUSTED, ": the disk is full"),
    /** Mounted read-only, by the kernel after an error or by somebody (EROFS). */
    READ_ONLY(
            Kind.UNAVAILABLE,
            ": the file system is read-only; see the kernel's log, and mount it read-write again"),
    /** Anything else. */
    OTHER(Kind.UNAVAILABLE, "");

    private final Kind kind;
    private final String words;

    FileTrouble(Kind kind, String words) {
        this.kind = kind;
        this.words = words;
    }

    /** Tells it from what the JDK throws. */
    public static FileTrouble of(IOException cause) {
        return of(String.valueOf(cause.getMessage()));
    }

    /**
     * Tells it from a message: for ENOSPC and EROFS there is no type, only the C library's text.
     */
    public static FileTrouble of(String message) {
        if (message.contains("No space left on device")) {
            return FULL;
        }
        return message.contains("Read-only file system") ? READ_ONLY : OTHER;
    }

    /** What sort of failure it is. */
    public Kind kind() {
        return kind;
    }

    /** To be put behind what was attempted; empty if there is nothing to be said. */
    public String words() {
        return words;
    }
}
