package dev.wrenn.control.capsule;

import dev.wrenn.control.http.ApiException;
import java.time.Duration;
import java.util.Arrays;
import java.util.stream.Collectors;

/** How far back the metrics of a capsule are asked for. */
enum MetricsRange {
    FIVE_MINUTES("5m", Duration.ofMinutes(5)),
    TEN_MINUTES("10m", Duration.ofMinutes(10)),
    HOUR("1h", Duration.ofHours(1)),
    TWO_HOURS("2h", Duration.ofHours(2)),
    SIX_HOURS("6h", Duration.ofHours(6)),
    TWELVE_HOURS("12h", Duration.ofHours(12)),
    DAY("24h", Duration.ofHours(24));

    static final MetricsRange DEFAULT = TEN_MINUTES;

    private final String wire;
    private final Duration window;

    MetricsRange(String wire, Duration window) {
        this.wire = wire;
        this.window = window;
    }

    /**
     * Reads it.
     *
     * @throws ApiException INVALID_REQUEST for any other text, naming those that there are
     */
    static MetricsRange of(String wire) {
        return Arrays.stream(values())
                .filter(r -> r.wire.equals(wire))
                .findFirst()
                .orElseThrow(() ->
                        ApiException.invalid(
                                "range must be one of %s, not '%s'"
                                        .formatted(
                                                Arrays.stream(values())
                                                        .map(MetricsRange::wire)
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
}
