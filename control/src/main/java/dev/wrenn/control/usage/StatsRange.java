package dev.wrenn.control.usage;

import dev.wrenn.control.http.ApiException;
import java.time.Duration;
import java.util.Arrays;
import java.util.stream.Collectors;

/** How far back a series of statistics goes, and in which steps. */
enum StatsRange {
    FIVE_MINUTES("5m", Duration.ofMinutes(5), Duration.ofSeconds(3)),
    HOUR("1h", Duration.ofHours(1), Duration.ofSeconds(30)),
    SIX_HOURS("6h", Duration.ofHours(6), Duration.ofMinutes(3)),
    DAY("24h", Duration.ofHours(24), Duration.ofMinutes(12)),
    MONTH("30d", Duration.ofDays(30), Duration.ofHours(6));

    static final StatsRange DEFAULT = HOUR;

    private final String wire;
    private final Duration window;
    private final Duration bucket;

    StatsRange(String wire, Duration window, Duration bucket) {
        this.wire = wire;
        this.window = window;
        this.bucket = bucket;
    }

    /**
     * Reads it.
     *
     * @throws ApiException INVALID_REQUEST for any other text, naming those that there are
     */
    static StatsRange of(String wire) {
        return Arrays.stream(values())
                .filter(r -> r.wire.equals(wire))
                .findFirst()
                .orElseThrow(() ->
                        ApiException.invalid(
                                "range must be one of %s, not '%s'"
                                        .formatted(
                                                Arrays.stream(values())
                                                        .map(StatsRange::wire)
                                                        .collect(Collectors.joining(", ")),
                                                wire)));
    }

    /** As it is written. */
    String wire() {
        return wire;
    }

    Duration window() {
        return window;
    }

    Duration bucket() {
        return bucket;
    }

    /** Whether the single samples still are there for the whole of it. */
    boolean isWithinSamples() {
        return window.compareTo(UsageRows.SAMPLES_KEPT) < 0;
    }
}
