package dev.wrenn.network;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;

/** Every slot that may exist is in use. */
public final class SlotsExhausted extends WrennException {
    private static final long serialVersionUID = 1L;

    SlotsExhausted(int maxSlots) {
        super(Kind.EXHAUSTED, "all " + maxSlots + " network slots of this host are in use");
    }
}
