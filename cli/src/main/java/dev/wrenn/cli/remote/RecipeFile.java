package dev.wrenn.cli.remote;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * A recipe as people keep it in a file: one instruction a line, {@code \} at its end continues it,
 * {@code #} begins a comment line. {@code FROM} and {@code HEALTHCHECK} are told to the build apart
 * from the steps.
 *
 * @param from template or, with a slash or a colon in it, container image to start from
 * @param steps instructions in their order
 * @param healthcheck condition for the template to hold running processes
 */
record RecipeFile(Optional<String> from, List<String> steps, Optional<String> healthcheck) {
    RecipeFile {
        steps = List.copyOf(steps);
    }

    static RecipeFile parse(String text) {
        var from = Optional.<String>empty();
        var healthcheck = Optional.<String>empty();
        var steps = new ArrayList<String>();
        for (var line : joined(text)) {
            var words = line.split("\\s+", 2);
            var rest = words.length > 1 ? words[1].strip() : "";
            switch (words[0].toUpperCase(Locale.ROOT)) {
                case "FROM" -> {
                    if (from.isPresent() || !steps.isEmpty() || rest.isEmpty()) {
                        throw invalid("FROM names one template or image, before all else");
                    }
                    from = Optional.of(rest);
                }
                case "HEALTHCHECK" -> {
                    if (healthcheck.isPresent() || rest.isEmpty()) {
                        throw invalid("HEALTHCHECK needs a command, once");
                    }
                    healthcheck = Optional.of(rest);
                }
                default -> steps.add(line);
            }
        }
        return new RecipeFile(from, steps, healthcheck);
    }

    private static List<String> joined(String text) {
        var lines = new ArrayList<String>();
        var open = new StringBuilder();
        for (var raw : text.lines().toList()) {
            var line = raw.strip();
            if (line.startsWith("#") || (open.isEmpty() && line.isEmpty())) {
                continue;
            }
            if (line.endsWith("\\")) {
                open.append(line, 0, line.length() - 1).append(' ');
                continue;
            }
            lines.add(open.append(line).toString().strip());
            open.setLength(0);
        }
        if (!open.isEmpty()) {
            throw invalid("the last line ends with a backslash");
        }
        return lines;
    }

    /** Whether the start is a container image: templates have neither slash nor colon in a name. */
    static boolean isImage(String from) {
        return from.contains("/") || from.contains(":") || from.contains("@");
    }

    boolean needsContext() {
        return steps.stream().anyMatch(s -> s.toUpperCase(Locale.ROOT).startsWith("COPY"));
    }

    private static WrennException invalid(String message) {
        return new WrennException(Kind.INVALID, message);
    }
}
