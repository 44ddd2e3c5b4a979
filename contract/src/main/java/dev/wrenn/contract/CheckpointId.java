package dev.wrenn.contract;

/**
 * Identifies a checkpoint among those of its capsule: {@code cp-} and 25 base-36 digits of a random
 * UUID.
 *
 * @param text the wire form
 */
public record CheckpointId(String text) {
    private static final String PREFIX = "cp-";

    /** Rejects anything but the exact wire form, values beyond 128 bits included. */
    public CheckpointId {
        Ids.requireForm(PREFIX, text);
    }

    /** A new random id. */
    public static CheckpointId random() {
        return new CheckpointId(Ids.random(PREFIX));
    }

    @Override
    public String toString() {
        return text;
    }
}
