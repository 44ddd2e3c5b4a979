package dev.wrenn.control.build;

import dev.wrenn.contract.Ids;

/**
 * Identifies a build: {@code bld-} and 25 base-36 digits.
 *
 * @param text the wire form
 */
record BuildId(String text) {
    private static final String PREFIX = "bld-";

    /** Rejects anything but the exact wire form. */
    BuildId {
        Ids.requireForm(PREFIX, text);
    }

    static BuildId random() {
        return new BuildId(Ids.random(PREFIX));
    }

    @Override
    public String toString() {
        return text;
    }
}
