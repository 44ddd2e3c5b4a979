package dev.wrenn.base;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Settings from flags, environment and file, read key by key into typed records.
 *
 * <p>Keys are dash-case within a section, {@code section.some-key}. A value that cannot be read, a
 * record that refuses its values and a key that nobody read are problems; {@link #done()} reports
 * all of them at once. Used by one thread, at start.
 */
public final class ConfigSource {
    private static final int HINT_DISTANCE = 3;

    private final List<Layer> layers;
    private final Map<String, String> effective = new TreeMap<>();
    private final List<String> problems = new ArrayList<>();

    /**
     * Settings from one place.
     *
     * @param origin the place in words: a file's name, "environment", "flags"
     * @param values by full key
     */
    public record Layer(String origin, Map<String, String> values) {
        /** Copies the map. */
        public Layer {
            values = Map.copyOf(values);
        }
    }

    private record Found(String value, String origin) {}

    /** A value that a parser refuses. */
    @FunctionalInterface
    public interface Parser<T> {
        /**
         * Reads a text.
         *
         * @throws IllegalArgumentException whose message says what would be right
         */
        T parse(String text);
    }

    /** The earlier layer wins. */
    public ConfigSource(List<Layer> layers) {
        this.layers = List.copyOf(layers);
    }

    /**
     * Settings named by environment variables: {@code WRENN_SECTION_SOME_KEY} for {@code
     * section.some-key}. Only variables of the given sections are looked at, so that other programs
     * may have variables that start alike.
     *
     * @param sections all sections that there are
     * @param aliases keys by variables with a name of their own, such as DATABASE_URL
     */
    public static Layer environment(
            Map<String, String> environment,
            Collection<String> sections,
            Map<String, String> aliases) {
        var values = new LinkedHashMap<String, String>();
        environment.forEach((name, value) -> {
            for (var section : sections) {
                var prefix = "WRENN_" + section.toUpperCase(Locale.ROOT) + "_";
                if (name.startsWith(prefix) && !aliases.containsKey(name)) {
                    values.put(
                            section
                                    + "."
                                    + name.substring(prefix.length())
                                            .toLowerCase(Locale.ROOT)
                                            .replace('_', '-'),
                            value);
                }
            }
        });
        aliases.forEach((name, key) -> {
            var value = environment.get(name);
            if (value != null && !value.isBlank()) {
                values.put(key, value);
            }
        });
        return new Layer("environment", values);
    }

    /**
     * Settings from a text of {@code [section]} and {@code key = value} lines; {@code #} starts a
     * comment line.
     *
     * @param origin the file's name
     * @throws ConfigInvalid naming every line that is none of these
     */
    public static Layer text(String origin, String text) {
        var values = new LinkedHashMap<String, String>();
        var problems = new ArrayList<String>();
        var section = "";
        int number = 0;
        for (var raw : text.lines().toList()) {
            number++;
            var line = raw.strip();
            int equals = line.indexOf('=');
            if (line.isEmpty() || line.startsWith("#")) {
                continue;
            }
            if (line.startsWith("[") && line.endsWith("]")) {
                section = line.substring(1, line.length() - 1).strip();
            } else if (equals <= 0) {
                problems.add(
                        "%s, line %d: expected \"key = value\" or \"[section]\", found \"%s\""
                                .formatted(origin, number, line));
            } else if (section.isEmpty()) {
                problems.add(
                        "%s, line %d: the key \"%s\" stands before the first [section]"
                                .formatted(origin, number, line.substring(0, equals).strip()));
            } else {
                var key = section + "." + line.substring(0, equals).strip();
                if (values.put(key, line.substring(equals + 1).strip()) != null) {
                    problems.add("%s, line %d: %s is set twice".formatted(origin, number, key));
                }
            }
        }
        if (!problems.isEmpty()) {
            throw new ConfigInvalid(problems);
        }
        return new Layer(origin, values);
    }

    /** A value of any type; the default if nobody set it or it cannot be read. */
    public <T> T read(String key, T byDefault, Parser<? extends T> parser) {
        return this.<T>readIfSet(key, parser)
                .orElseGet(() -> {
                    effective.put(key, byDefault.toString());
                    return byDefault;
                });
    }

    /** A value of any type; empty if nobody set it or it cannot be read. */
    public <T> Optional<T> readIfSet(String key, Parser<? extends T> parser) {
        effective.putIfAbsent(key, "");
        var found = find(key);
        if (found.isEmpty()) {
            return Optional.empty();
        }
        try {
            T value = parser.parse(found.get().value());
            effective.put(key, value.toString());
            return Optional.of(value);
        } catch (IllegalArgumentException e) {
            problems.add(
                    "%s: %s cannot be \"%s\": %s"
                            .formatted(
                                    found.get().origin(),
                                    key,
                                    found.get().value(),
                                    e.getMessage()));
            return Optional.empty();
        }
    }

    /** A text as it is. */
    public String text(String key, String byDefault, boolean mayBeEmpty) {
        return read(
                key,
                byDefault,
                text -> {
                    if (text.isEmpty() && !mayBeEmpty) {
                        throw new IllegalArgumentException("it must not be empty");
                    }
                    return text;
                });
    }

    /** A whole number. */
    public long number(String key, long byDefault) {
        return read(key, byDefault, ConfigValues::number);
    }

    /** A whole number that fits an int. */
    public int count(String key, int byDefault) {
        return read(key, byDefault, ConfigValues::count);
    }

    /** {@code true} or {@code false}. */
    public boolean flag(String key, boolean byDefault) {
        return read(key, byDefault, ConfigValues::flag);
    }

    /** A time with its unit: {@code 500ms}, {@code 30s}, {@code 5m}, {@code 2h}, {@code 1d}. */
    public Duration duration(String key, Duration byDefault) {
        return read(key, byDefault, ConfigValues::duration);
    }

    /** A size with its unit: {@code 64KiB}, {@code 512MiB}, {@code 2GiB}; bytes without one. */
    public ByteSize size(String key, ByteSize byDefault) {
        return read(key, byDefault, ConfigValues::size);
    }

    /** A path, made absolute. */
    public Path path(String key, Path byDefault) {
        return read(key, byDefault, ConfigSource::absolute);
    }

    private static Path absolute(String text) {
        try {
            return Path.of(text).toAbsolutePath().normalize();
        } catch (InvalidPathException e) {
            throw new IllegalArgumentException("it is no path: " + e.getReason(), e);
        }
    }

    /** A text that must not be shown. */
    public Optional<Secret> secret(String key) {
        effective.putIfAbsent(key, "");
        return find(key)
                .map(found -> {
                    effective.put(key, "***");
                    return new Secret(found.value());
                });
    }

    /**
     * Builds a record from values that were read; what its constructor refuses becomes a problem.
     *
     * @param instead stands in until {@link #done()} reports the problem
     */
    public <T> T build(String section, T instead, Supplier<T> constructor) {
        try {
            return constructor.get();
        } catch (IllegalArgumentException e) {
            problems.add("[%s]: %s".formatted(section, e.getMessage()));
            return instead;
        }
    }

    /** What every key that was read came out as, secrets hidden; empty text means not set. */
    public Map<String, String> effective() {
        return new TreeMap<>(effective);
    }

    /**
     * Ends the reading.
     *
     * @throws ConfigInvalid if there was any problem, keys that nobody read included
     */
    public void done() {
        for (var layer : layers) {
            for (var key : new TreeSet<>(layer.values().keySet())) {
                if (!effective.containsKey(key)) {
                    problems.add(
                            "%s: there is no setting %s%s"
                                    .formatted(layer.origin(), key, hint(key)));
                }
            }
        }
        if (!problems.isEmpty()) {
            throw new ConfigInvalid(problems);
        }
    }

    private String hint(String unknown) {
        Function<String, Integer> distance = key -> ConfigValues.distance(unknown, key);
        return effective.keySet().stream()
                .min(Comparator.comparing(distance))
                .filter(key ->
                        distance.apply(key) <= HINT_DISTANCE
                                || key.endsWith(unknown.substring(unknown.indexOf('.') + 1)))
                .map(key -> "; did you mean " + key + "?")
                .orElse("");
    }

    private Optional<Found> find(String key) {
        return layers.stream()
                .filter(layer -> layer.values().containsKey(key))
                .findFirst()
                .map(layer -> new Found(layer.values().getOrDefault(key, ""), layer.origin()));
    }
}
