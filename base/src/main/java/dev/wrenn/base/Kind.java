package dev.wrenn.base;

/** What sort of failure a {@link WrennException} is; the wire code is chosen from it once. */
public enum Kind {
    /** The request can never succeed as written. */
    INVALID,
    /** The thing named does not exist, or not for this caller. */
    ABSENT,
    /** It exists already, or somebody else holds it. */
    CONFLICT,
    /** The thing exists but its state forbids the operation. */
    WRONG_STATE,
    /** A configured limit or a machine resource is used up. */
    EXHAUSTED,
    /** A part that is needed does not answer; trying again later may work. */
    UNAVAILABLE,
    /** Stored bytes are not what was written. */
    CORRUPT,
    /** Our own mistake. */
    BUG
}
