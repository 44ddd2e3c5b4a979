package dev.wrenn.gateway;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;

/** The run of the capsule that a request was in has ended: it was paused, destroyed or lost. */
final class RunEnded extends WrennException {
    private static final long serialVersionUID = 1L;

    RunEnded(String reason) {
        super(Kind.UNAVAILABLE, reason);
    }
}
