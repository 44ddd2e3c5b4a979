package dev.wrenn.snapshot.store;

/**
 * Names a blob within a store.
 *
 * @param text segments of lower-case letters, digits, dots, dashes and underscores, separated by
 *     slashes
 */
public record BlobName(String text) implements Comparable<BlobName> {
    private static final int MOST_CHARACTERS = 512;
    private static final String SEGMENT = "[a-z0-9_][a-z0-9._-]*";

    /** Rejects what a file system or an object store could take for something else. */
    public BlobName {
        if (text.length() > MOST_CHARACTERS || !text.matches(SEGMENT + "(/" + SEGMENT + ")*")) {
            throw new IllegalArgumentException("not the name of a blob: " + text);
        }
    }

    @Override
    public int compareTo(BlobName other) {
        return text.compareTo(other.text);
    }

    @Override
    public String toString() {
        return text;
    }
}
