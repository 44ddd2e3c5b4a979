package dev.wrenn.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * One thing against another, both measured several times in turns in one run. Says what came of it
 * on standard output, as a row of a table.
 */
public final class Ratio {
    /** Starts the line, so that a script finds it. */
    public static final String MARK = "measured: ";

    private final String what;
    private final String unit;
    private final List<Double> these = new ArrayList<>();
    private final List<Double> others = new ArrayList<>();

    /**
     * A ratio without values yet.
     *
     * @param what the one against the other, in words
     */
    public Ratio(String what, String unit) {
        this.what = what;
        this.unit = unit;
    }

    /** Adds a value of the thing itself. */
    public void add(double value) {
        these.add(value);
    }

    /** Adds a value of what it is compared with. */
    public void addOther(double value) {
        others.add(value);
    }

    /** Of the medians. */
    public double value() {
        return median(these) / median(others);
    }

    /** Prints the row and returns {@link #value()}. */
    public double print() {
        System.out.printf(
                Locale.ROOT,
                "%s| %s | **%.2f ×** | %s | %s |%n",
                MARK,
                what,
                value(),
                text(these),
                text(others));
        return value();
    }

    private String text(List<Double> values) {
        return String.format(
                Locale.ROOT,
                "%.1f %s (%.1f to %.1f, %d times)",
                median(values),
                unit,
                values.stream().mapToDouble(v -> v).min().orElseThrow(),
                values.stream().mapToDouble(v -> v).max().orElseThrow(),
                values.size());
    }

    private static double median(List<Double> values) {
        var sorted = values.stream().sorted().toList();
        int half = sorted.size() / 2;
        return sorted.size() % 2 == 1
                ? sorted.get(half)
                : (sorted.get(half - 1) + sorted.get(half)) / 2;
    }
}
