package dev.wrenn.contract;

/**
 * Identifies a capsule: {@code cl-} and 25 base-36 digits of a random UUID.
 *
 * @param text the wire form
 */
public record CapsuleId(String text) {
    private static final String PREFIX = "cl-";

    /** Rejects anything but the exact wire form, values beyond 128 bits included. */
    public CapsuleId {
        Ids.requireForm(PREFIX, text);
    }

    /** A new random id. */
    public static CapsuleId random() {
        return new CapsuleId(Ids.random(PREFIX));
    }

    @Override
    public String toString() {
        return text;
    }
}
