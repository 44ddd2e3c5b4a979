package dev.wrenn.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * All that one run measured.
 *
 * @param schema version of this layout
 * @param at when, RFC 3339
 * @param machine what it ran on, by name
 * @param rounds how often the short things were measured
 * @param rows in the order of the specification
 */
record Report(int schema, String at, Map<String, String> machine, int rounds, List<Row> rows) {
    static final int SCHEMA = 1;
    private static final String BEGIN = "<!-- measured by ./wrenn bench: begin -->";
    private static final String END = "<!-- measured by ./wrenn bench: end -->";

    boolean allKept() {
        return rows.stream().allMatch(Row::isKept);
    }

    /** The table and what it was measured on. */
    String markdown() {
        var text = new StringBuilder();
        text.append("| What | Promise | Limit in this run | Measured | |\n|---|---|---|---|---|\n");
        for (var row : rows) {
            text.append(
                    "| %s | %s | %s | **%s** | %s |%n"
                            .formatted(
                                    row.what(),
                                    row.target(),
                                    row.shownLimit(),
                                    row.shownValue(),
                                    row.isKept() ? "kept" : "**broken**"));
        }
        text.append("\nMeasured %s, medians of %d rounds".formatted(at, rounds));
        machine.forEach((name, value) -> text.append(", ").append(name + ' ' + value));
        text.append(".\n\nWhat the numbers were computed from:\n\n");
        for (var row : rows) {
            text.append("* `").append(row.id()).append("`: ");
            text.append(
                    String.join(
                            ", ",
                            row.details().entrySet().stream()
                                    .map(e -> e.getKey() + " " + e.getValue())
                                    .toList()));
            text.append('\n');
        }
        return text.toString();
    }

    /** Writes both forms next to each other and returns the JSON file. */
    Path write(Path folder) {
        var name = at.replace(":", "").replaceAll("\\.[0-9]+", "");
        try {
            Files.createDirectories(folder);
            var json = folder.resolve(name + ".json");
            Files.writeString(json, json() + "\n");
            Files.writeString(folder.resolve(name + ".md"), markdown());
            return json;
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot write results to " + folder, e);
        }
    }

    /** Puts the table where the specification has its place. */
    void writeInto(Path specification) {
        try {
            var text = Files.readString(specification);
            int begin = text.indexOf(BEGIN);
            int end = text.indexOf(END);
            if (begin < 0 || end < begin) {
                throw new WrennException(
                        Kind.INVALID, specification + " has no place for measured values");
            }
            Files.writeString(
                    specification,
                    text.substring(0, begin + BEGIN.length())
                            + "\n"
                            + markdown()
                            + text.substring(end));
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot change " + specification, e);
        }
    }

    String json() {
        try {
            return new ObjectMapper()
                    .enable(SerializationFeature.INDENT_OUTPUT)
                    .writeValueAsString(this);
        } catch (JsonProcessingException e) {
            throw new WrennException(Kind.BUG, "a report cannot be written as JSON", e);
        }
    }
}
