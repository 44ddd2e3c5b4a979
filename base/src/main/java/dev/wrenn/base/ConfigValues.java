package dev.wrenn.base;

import java.time.Duration;
import java.util.Locale;
import java.util.regex.Pattern;

/** How values are written in a configuration; each method says what would be right. */
final class ConfigValues {
    private static final Pattern DURATION = Pattern.compile("(\\d+)\\s*(ms|s|m|h|d)");
    private static final Pattern SIZE = Pattern.compile("(\\d+)\\s*(B|KiB|MiB|GiB|TiB)?");

    private ConfigValues() {}

    static long number(String text) {
        try {
            return Long.parseLong(text.replace("_", ""));
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("expected a whole number", e);
        }
    }

    static int count(String text) {
        long number = number(text);
        if (number < Integer.MIN_VALUE || number > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("the number is too large");
        }
        return (int) number;
    }

    static boolean flag(String text) {
        return switch (text.toLowerCase(Locale.ROOT)) {
            case "true" -> true;
            case "false" -> false;
            default -> throw new IllegalArgumentException("expected true or false");
        };
    }

    static Duration duration(String text) {
        var match = DURATION.matcher(text);
        if (!match.matches()) {
            throw new IllegalArgumentException(
                    "expected a number and a unit, such as 500ms, 30s, 5m, 2h or 1d");
        }
        long amount = number(match.group(1));
        try {
            return switch (match.group(2)) {
                case "ms" -> Duration.ofMillis(amount);
                case "s" -> Duration.ofSeconds(amount);
                case "m" -> Duration.ofMinutes(amount);
                case "h" -> Duration.ofHours(amount);
                default -> Duration.ofDays(amount);
            };
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("the time is too long", e);
        }
    }

    static ByteSize size(String text) {
        var match = SIZE.matcher(text);
        if (!match.matches()) {
            throw new IllegalArgumentException(
                    "expected a number and a unit, such as 64KiB, 512MiB or 2GiB");
        }
        var unit = match.group(2) == null ? "B" : match.group(2);
        long bytes =
                switch (unit) {
                    case "KiB" -> 1L << 10;
                    case "MiB" -> 1L << 20;
                    case "GiB" -> 1L << 30;
                    case "TiB" -> 1L << 40;
                    default -> 1L;
                };
        try {
            return new ByteSize(Math.multiplyExact(number(match.group(1)), bytes));
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("the size is too large", e);
        }
    }

    /** Levenshtein's distance: how many letters must change. */
    static int distance(String a, String b) {
        var previous = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            previous[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            var current = new int[b.length() + 1];
            current[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int change = a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1;
                current[j] =
                        Math.min(
                                previous[j - 1] + change,
                                1 + Math.min(previous[j], current[j - 1]));
            }
            previous = current;
        }
        return previous[b.length()];
    }
}
