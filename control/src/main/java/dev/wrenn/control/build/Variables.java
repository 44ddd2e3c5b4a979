package dev.wrenn.control.build;

import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Variables of a build, and how a value names them. */
final class Variables {
    /** What a variable may be called. */
    static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");

    private static final Pattern REFERENCE =
            Pattern.compile("\\$(?:(\\$)|\\{([A-Za-z_][A-Za-z0-9_]*)}|([A-Za-z_][A-Za-z0-9_]*))");

    private Variables() {}

    /**
     * Replaces {@code $X} and {@code ${X}} by values, {@code $$} by a dollar sign; an unknown name
     * is empty, a lone dollar sign stays.
     */
    static String expand(String text, Map<String, String> known) {
        return REFERENCE
                .matcher(text)
                .replaceAll(reference ->
                        Matcher.quoteReplacement(
                                reference.group(1) != null
                                        ? "$"
                                        : known.getOrDefault(
                                                Optional.ofNullable(reference.group(2))
                                                        .orElseGet(() -> reference.group(3)),
                                                "")));
    }
}
