package dev.wrenn.base;

import org.jspecify.annotations.Nullable;

/**
 * Parent of all failures of Wrenn.
 *
 * <p>The shown message names the attempt, the object and the numbers with their units. It may be
 * shown to a client, so it holds no host path, address or secret that the client must not know, and
 * never repeats the text of its cause.
 */
public class WrennException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final Kind kind;

    /** A failure without a cause. */
    public WrennException(Kind kind, String shownMessage) {
        this(kind, shownMessage, null);
    }

    /** A failure that was caused by another one. */
    public WrennException(Kind kind, String shownMessage, @Nullable Throwable cause) {
        super(shownMessage, cause);
        this.kind = kind;
    }

    /** The sort of failure. */
    public final Kind kind() {
        return kind;
    }

    /** The message without those of the causes. */
    public final String shownMessage() {
        var message = getMessage();
        return message == null ? kind.name() : message;
    }
}
