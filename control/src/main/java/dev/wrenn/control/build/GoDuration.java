package dev.wrenn.control.build;

import dev.wrenn.control.http.ApiException;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.Map;
import java.util.regex.Pattern;

/** Lengths of time as recipes write them: {@code 30s}, {@code 1h30m}, {@code 1.5s}. */
final class GoDuration {
    private static final Pattern WHOLE = Pattern.compile("(?:\\d+(?:\\.\\d+)?(?:ms|h|m|s))+");
    private static final Pattern PART = Pattern.compile("(\\d+(?:\\.\\d+)?)(ms|h|m|s)");
    private static final Map<String, Long> UNIT_MILLIS =
            Map.of("ms", 1L, "s", 1_000L, "m", 60_000L, "h", 3_600_000L);
    private static final int LONGEST_TEXT = 32;

    private GoDuration() {}

    /**
     * Reads one.
     *
     * @param name what it is for, for the message
     * @param most longest one allowed
     */
    static Duration parse(String name, String text, Duration most) {
        if (text.equals("0")) {
            return Duration.ZERO;
        }
        if (text.length() > LONGEST_TEXT || !WHOLE.matcher(text).matches()) {
            throw ApiException.invalid(name + " must be a duration such as 30s, 5m or 1h30m");
        }
        var millis = BigDecimal.ZERO;
        var parts = PART.matcher(text);
        while (parts.find()) {
            var unit = BigDecimal.valueOf(UNIT_MILLIS.getOrDefault(parts.group(2), 0L));
            millis = millis.add(new BigDecimal(parts.group(1)).multiply(unit));
        }
        if (millis.compareTo(BigDecimal.valueOf(most.toMillis())) > 0) {
            throw ApiException.invalid(name + " may be at most " + most.toSeconds() + "s");
        }
        return Duration.ofMillis(millis.longValue());
    }
}
