package dev.wrenn.control.build;

import dev.wrenn.control.http.ApiException;
import java.time.Duration;
import java.util.Optional;

/**
 * How it is seen that a template's programs are ready.
 *
 * @param command exit code 0 means ready
 * @param interval between two looks
 * @param timeout of one look
 * @param startPeriod failures until then do not count
 * @param retries failures allowed after it; 0 for any number
 */
record Healthcheck(
        String command, Duration interval, Duration timeout, Duration startPeriod, int retries) {
    private static final Duration DEFAULT_INTERVAL = Duration.ofSeconds(3);
    private static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(10);

    /** What ends a check that may fail any number of times. */
    private static final Duration LONGEST = Duration.ofMinutes(30);

    private static final int MOST_RETRIES = 1000;

    /**
     * Reads {@code [--interval=3s] [--timeout=10s] [--start-period=0] [--retries=0] command}.
     *
     * @return empty for an empty text
     */
    static Optional<Healthcheck> parse(String text) {
        if (text.isBlank()) {
            return Optional.empty();
        }
        var interval = DEFAULT_INTERVAL;
        var timeout = DEFAULT_TIMEOUT;
        var startPeriod = Duration.ZERO;
        int retries = 0;
        var rest = text.strip();
        while (rest.startsWith("--")) {
            var words = rest.split("\\s+", 2);
            var option = words[0].split("=", 2);
            var value = option.length < 2 ? "" : option[1];
            switch (option[0]) {
                case "--interval" -> interval = atLeastOneMilli(option[0], value);
                case "--timeout" -> timeout = atLeastOneMilli(option[0], value);
                case "--start-period" -> startPeriod = GoDuration.parse(option[0], value, LONGEST);
                case "--retries" -> retries = count(value);
                default ->
                        throw ApiException.invalid(
                                "a healthcheck knows --interval, --timeout, --start-period and"
                                        + " --retries, not "
                                        + option[0]);
            }
            rest = words.length < 2 ? "" : words[1];
        }
        if (rest.isEmpty()) {
            throw ApiException.invalid("the healthcheck needs a command");
        }
        return Optional.of(new Healthcheck(rest, interval, timeout, startPeriod, retries));
    }

    private static Duration atLeastOneMilli(String option, String value) {
        var duration = GoDuration.parse(option, value, LONGEST);
        if (duration.isZero()) {
            throw ApiException.invalid(option + " must be longer than 0");
        }
        return duration;
    }

    private static int count(String value) {
        try {
            int retries = Integer.parseInt(value);
            if (retries >= 0 && retries <= MOST_RETRIES) {
                return retries;
            }
        } catch (NumberFormatException _) {
            // answered below, as a number out of range is
        }
        throw ApiException.invalid("--retries must be a number from 0 to " + MOST_RETRIES);
    }

    /** When the whole check has failed, however few failures were seen. */
    Duration overallLimit() {
        return retries == 0
                ? LONGEST
                : startPeriod.plus(interval.multipliedBy(retries + 1L)).plus(timeout);
    }
}
