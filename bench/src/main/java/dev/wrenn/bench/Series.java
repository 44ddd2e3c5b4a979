package dev.wrenn.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Measured values by name, each in the order in which they were taken. */
final class Series {
    private final Map<String, List<Double>> values = new LinkedHashMap<>();

    void add(String name, double value) {
        values.computeIfAbsent(name, _ -> new ArrayList<>()).add(value);
    }

    double median(String name) {
        return samples(name).median();
    }

    double most(String name) {
        return samples(name).most();
    }

    /** For people: median and range. */
    String shown(String name) {
        var samples = samples(name);
        return String.format(
                Locale.ROOT,
                "%.1f (%.1f to %.1f, %d times)",
                samples.median(),
                samples.least(),
                samples.most(),
                samples.count());
    }

    private Samples samples(String name) {
        return Samples.of(values.getOrDefault(name, List.of()));
    }
}
