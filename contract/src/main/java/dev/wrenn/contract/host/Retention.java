package dev.wrenn.contract.host;

import java.time.Duration;

/**
 * How long a capsule keeps checkpoints without a name. One stays while it is among the newest or
 * young enough; the one that a resume starts from and those with a name stay in any case.
 *
 * @param keepLast how many of the newest stay, at least 1
 * @param keepFor how long each stays at least; zero if only the number counts
 */
public record Retention(int keepLast, Duration keepFor) {
    /** Most that may be kept by number. */
    public static final int MAX_LAST = 1_000;

    /** What is used where nothing else is said. */
    public static final Retention DEFAULT = new Retention(5, Duration.ZERO);

    /** Checks ranges. */
    public Retention {
        if (keepLast < 1 || keepLast > MAX_LAST) {
            throw new IllegalArgumentException("keep_last must be 1 to " + MAX_LAST);
        }
        if (keepFor.isNegative() || keepFor.compareTo(Duration.ofDays(3_650)) > 0) {
            throw new IllegalArgumentException("keep_for must be from zero to ten years");
        }
    }
}
