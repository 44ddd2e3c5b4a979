package dev.wrenn.contract;

import java.math.BigInteger;
import java.util.UUID;

/** The common form of ids: a prefix and a 128-bit value as 25 digits of base 36. */
public final class Ids {
    private static final int DIGITS = 25;
    private static final BigInteger LIMIT = BigInteger.ONE.shiftLeft(128);

    private Ids() {}

    /** A random id with that prefix. */
    public static String random(String prefix) {
        return of(prefix, UUID.randomUUID());
    }

    /** The id of a UUID. */
    public static String of(String prefix, UUID uuid) {
        var hex = uuid.toString().replace("-", "");
        var digits = new BigInteger(hex, 16).toString(36);
        return prefix + "0".repeat(DIGITS - digits.length()) + digits;
    }

    /**
     * Fails unless the text is the prefix and a value below 2^128 in 25 lower-case digits.
     *
     * @throws IllegalArgumentException saying what is wrong with it
     */
    public static void requireForm(String prefix, String text) {
        if (!text.startsWith(prefix) || text.length() != prefix.length() + DIGITS) {
            throw new IllegalArgumentException(
                    "an id must be '" + prefix + "' and " + DIGITS + " characters");
        }
        for (int i = prefix.length(); i < text.length(); i++) {
            char c = text.charAt(i);
            if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'))) {
                throw new IllegalArgumentException("an id has only the characters 0-9 and a-z");
            }
        }
        if (new BigInteger(text.substring(prefix.length()), 36).compareTo(LIMIT) >= 0) {
            throw new IllegalArgumentException("an id's value must be below 2^128");
        }
    }
}
