package dev.wrenn.contract.guest;

/**
 * Something changed below a watched directory.
 *
 * @param kind what happened
 * @param name path from the watched directory; {@code .} for the directory itself
 */
public record FileChange(Kind kind, String name) {
    /** What can happen to a path. */
    public enum Kind {
        /** It is new there. */
        CREATE,
        /** Its content changed. */
        WRITE,
        /** It is gone. */
        REMOVE,
        /** It went elsewhere; if that is watched too, a {@link #CREATE} tells where. */
        RENAME,
        /** Its mode, owner or times changed. */
        CHMOD
    }
}
