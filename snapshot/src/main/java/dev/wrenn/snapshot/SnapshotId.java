package dev.wrenn.snapshot;

import java.util.UUID;

/**
 * Identifies a snapshot within a store.
 *
 * @param text {@code snap-} and 32 hexadecimal digits
 */
public record SnapshotId(String text) {
    private static final String PREFIX = "snap-";

    /** Rejects anything that could be a path. */
    public SnapshotId {
        if (!text.matches(PREFIX + "[0-9a-f]{32}")) {
            throw new IllegalArgumentException("not a snapshot id: " + text);
        }
    }

    /** A new random id. */
    public static SnapshotId random() {
        return new SnapshotId(PREFIX + UUID.randomUUID().toString().replace("-", ""));
    }

    @Override
    public String toString() {
        return text;
    }
}
