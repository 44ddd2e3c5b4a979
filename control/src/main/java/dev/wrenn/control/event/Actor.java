package dev.wrenn.control.event;

import dev.wrenn.control.auth.Caller;

/** Who did something. */
public sealed interface Actor {
    /** Whoever showed that key. */
    record Key(String keyId) implements Actor {}

    /** Nobody: the platform itself. */
    record Platform() implements Actor {}

    /** The one who calls. */
    static Actor of(Caller caller) {
        return new Key(caller.keyId());
    }
}
