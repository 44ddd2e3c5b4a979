package dev.wrenn.bench;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * One promise and what was measured of it.
 *
 * @param id stable name
 * @param what is measured
 * @param target the promise in words
 * @param unit of value and limit; empty for a count
 * @param value measured
 * @param bound on which side of the limit the value must be
 * @param limit the promise as a number of this run
 * @param details what both were computed from, by name with unit
 */
record Row(
        String id,
        String what,
        String target,
        String unit,
        double value,
        Bound bound,
        double limit,
        Map<String, Object> details) {
    /** Side of a limit. */
    enum Bound {
        AT_MOST,
        AT_LEAST
    }

    /** A row whose value is how many times something else a thing is. */
    static Row ratio(
            String id,
            String what,
            String target,
            double value,
            Bound bound,
            double limit,
            Map<String, Object> details) {
        return new Row(id, what, target, "×", value, bound, limit, details);
    }

    /** Names and values in turns, kept in that order. */
    static Map<String, Object> details(Object... namesAndValues) {
        var details = new LinkedHashMap<String, Object>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            var value = namesAndValues[i + 1];
            details.put(
                    namesAndValues[i].toString(),
                    value instanceof Double number
                            ? String.format(Locale.ROOT, "%.1f", number)
                            : value);
        }
        return details;
    }

    @JsonProperty("kept")
    boolean isKept() {
        return switch (bound) {
            case AT_MOST -> value <= limit;
            case AT_LEAST -> value >= limit;
        };
    }

    String shownValue() {
        return shown(value);
    }

    String shownLimit() {
        var sign =
                switch (bound) {
                    case AT_MOST -> "≤ ";
                    case AT_LEAST -> "≥ ";
                };
        return sign + shown(limit);
    }

    private String shown(double number) {
        boolean whole = unit.isEmpty() || Math.abs(number) >= 10; // without a unit it is a count
        return String.format(Locale.ROOT, whole ? "%.0f" : "%.2f", number)
                + (unit.isEmpty() ? "" : " " + unit);
    }
}
