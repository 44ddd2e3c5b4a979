package dev.wrenn.network;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;

/** A slot that should have been found again is gone or incomplete. */
public final class SlotLost extends WrennException {
    private static final long serialVersionUID = 1L;

    SlotLost(int index, String missing) {
        super(Kind.ABSENT, "network slot %d is lost: %s".formatted(index, missing));
    }
}
