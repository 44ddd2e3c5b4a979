package dev.wrenn.base;

import java.time.Duration;

/** An operation did not end within its limit. */
public final class DeadlinePassed extends WrennException {
    private static final long serialVersionUID = 1L;

    /** The attempt in words and the limit it had. */
    public DeadlinePassed(String attempt, Duration limit) {
        super(Kind.UNAVAILABLE, attempt + " did not finish within " + limit.toMillis() + " ms");
    }
}
