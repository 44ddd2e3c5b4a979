package dev.wrenn.control.process;

import dev.wrenn.control.http.ApiException;
import java.time.Duration;
import java.util.Optional;

/** How long a command may run. */
public final class Limits {
    private static final Duration LONGEST = Duration.ofDays(30);

    private Limits() {}

    /**
     * The limit that a client asked for.
     *
     * @return empty if it asked for none: nothing, zero and less
     */
    public static Optional<Duration> of(long timeoutSec) {
        if (timeoutSec > LONGEST.toSeconds()) {
            throw ApiException.invalid("timeout_sec must be at most " + LONGEST.toSeconds());
        }
        return timeoutSec > 0 ? Optional.of(Duration.ofSeconds(timeoutSec)) : Optional.empty();
    }
}
