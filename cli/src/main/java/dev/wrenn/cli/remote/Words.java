package dev.wrenn.cli.remote;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.regex.Pattern;

/** How people write and read times and sizes. */
final class Words {
    private static final Pattern DURATION =
            Pattern.compile("(?:(\\d+)h)?(?:(\\d+)m)?(?:(\\d+)s?)?");
    private static final Pattern MEMORY = Pattern.compile("(?i)(\\d+)\\s*(m|mb|mib|g|gb|gib)?");
    private static final int MIB_PER_GIB = 1024;
    private static final double STEP = 1024;

    private Words() {}

    /** {@code 90}, {@code 90s}, {@code 5m}, {@code 1h30m}. */
    static Duration duration(String text) {
        var match = DURATION.matcher(text.strip());
        if (text.isBlank() || !match.matches()) {
            throw new WrennException(
                    Kind.INVALID, "not a duration: " + text + "; write it as 90s, 5m or 1h30m");
        }
        return Duration.ofHours(number(match.group(1)))
                .plusMinutes(number(match.group(2)))
                .plusSeconds(number(match.group(3)));
    }

    /** MiB: {@code 512}, {@code 512M}, {@code 2G}. */
    static long memoryMb(String text) {
        var match = MEMORY.matcher(text.strip());
        if (!match.matches()) {
            throw new WrennException(
                    Kind.INVALID, "not a memory size: " + text + "; write it as 512M or 2G");
        }
        var unit = String.valueOf(match.group(2)).toLowerCase(Locale.ROOT);
        return number(match.group(1)) * (unit.startsWith("g") ? MIB_PER_GIB : 1);
    }

    private static long number(@org.jspecify.annotations.Nullable String digits) {
        try {
            return digits == null ? 0 : Long.parseLong(digits);
        } catch (NumberFormatException e) {
            throw new WrennException(Kind.INVALID, "too large a number: " + digits, e);
        }
    }

    /** Bytes with a unit. */
    static String size(long bytes) {
        var units = new String[] {"B", "KiB", "MiB", "GiB", "TiB"};
        double value = bytes;
        int unit = 0;
        while (value >= STEP && unit < units.length - 1) {
            value /= STEP;
            unit++;
        }
        return unit == 0 ? bytes + " B" : String.format(Locale.ROOT, "%.1f %s", value, units[unit]);
    }

    /** How long ago, in its largest unit; a dash for nothing. */
    static String age(String timestamp, Instant now) {
        if (timestamp.isEmpty()) {
            return "-";
        }
        var age = Duration.between(Instant.parse(timestamp), now);
        if (age.toDays() > 0) {
            return age.toDays() + "d";
        }
        if (age.toHours() > 0) {
            return age.toHours() + "h";
        }
        return age.toMinutes() > 0 ? age.toMinutes() + "m" : Math.max(0, age.toSeconds()) + "s";
    }

    /** An inactivity limit. */
    static String limit(long seconds) {
        return seconds == 0
                ? "never"
                : Duration.ofSeconds(seconds).toString().substring(2).toLowerCase(Locale.ROOT);
    }
}
