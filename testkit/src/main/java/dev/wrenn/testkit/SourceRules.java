package dev.wrenn.testkit;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/** The rules of the house that only source text can show. */
public final class SourceRules {
    private static final int MAX_LINES = 500;
    private static final Pattern PUBLIC_TYPE =
            Pattern.compile(
                    "public (?:(?:abstract|final|sealed|non-sealed|static|strictfp) )*"
                            + "(?:class|record|interface|enum|@interface) (\\w+).*");
    private static final Pattern RESTRICTED = Pattern.compile("@SuppressWarnings\\(.*restricted.*");
    private static final Pattern OPEN_TASK =
            Pattern.compile(".*\\b(TO[D]O|FIX[M]E|X{3})\\b(?!\\(#).*");
    private static final int LINES_TO_SAFETY = 12;

    private SourceRules() {}

    /** A broken rule, with file and line. */
    public record Violation(String rule, Path file, int line) {
        @Override
        public String toString() {
            return "%s: %s:%d".formatted(rule, file, line);
        }
    }

    /** What all main sources of a checkout break. */
    public static List<Violation> violations(Path checkout) throws IOException {
        var violations = new ArrayList<Violation>();
        try (var modules = Files.list(checkout)) {
            for (var module : modules.sorted().toList()) {
                var sources = module.resolve("src/main/java");
                if (Files.isDirectory(sources)) {
                    try (var files = Files.walk(sources)) {
                        for (var file :
                                files.filter(f -> f.toString().endsWith(".java"))
                                        .sorted()
                                        .toList()) {
                            check(checkout.relativize(file), Files.readAllLines(file), violations);
                        }
                    }
                }
            }
        }
        return violations;
    }

    static void check(Path file, List<String> lines, List<Violation> violations) {
        if (lines.size() > MAX_LINES) {
            violations.add(new Violation("more than " + MAX_LINES + " lines", file, lines.size()));
        }
        for (int i = 0; i < lines.size(); i++) {
            var line = lines.get(i).strip();
            if (PUBLIC_TYPE.matcher(line).matches() && !hasJavadoc(lines, i)) {
                violations.add(new Violation("A5 public type without Javadoc", file, i + 1));
            }
            if (RESTRICTED.matcher(line).matches() && !hasSafety(lines, i)) {
                violations.add(new Violation("restricted call without SAFETY", file, i + 1));
            }
            if (OPEN_TASK.matcher(line).matches()) {
                violations.add(new Violation("open task without an issue", file, i + 1));
            }
        }
    }

    private static boolean hasJavadoc(List<String> lines, int declaration) {
        for (int i = declaration - 1; i >= 0; i--) {
            var line = lines.get(i).strip();
            if (line.endsWith("*/")) {
                return true;
            }
            // Annotations, which may span lines and hold lists, stand between the two.
            boolean isList = line.endsWith("= {") || line.endsWith("({");
            if (line.isEmpty() || line.endsWith(";") || (line.endsWith("{") && !isList)) {
                return false;
            }
        }
        return false;
    }

    private static boolean hasSafety(List<String> lines, int suppression) {
        int end = Math.min(lines.size(), suppression + LINES_TO_SAFETY);
        return lines.subList(suppression, end).stream()
                .anyMatch(line -> line.contains("// SAFETY:"));
    }
}
