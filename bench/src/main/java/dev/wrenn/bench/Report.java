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
import java.util.stream.Collectors;

/**
 * All that one run measured.
 *
 * @param schema version of this layout
 * @param at when, RFC 3339
 * @param machine what it ran on, by name
 * @param rounds how often the short things were measured
 * @param sections in the order of the specification
 */
record Report(
        int schema, String at, Map<String, String> machine, int rounds, List<Section> sections) {
    static final int SCHEMA = 2;

    /**
     * One topic.
     *
     * @param topic its word
     * @param rows what was measured, in the order of the specification
     */
    record Section(String topic, List<Row> rows) {}

    boolean allKept() {
        return sections.stream().flatMap(section -> section.rows().stream()).allMatch(Row::isKept);
    }

    /** All tables, each with what it was measured on. */
    String markdown() {
        return sections.stream().map(this::markdown).collect(Collectors.joining("\n"));
    }

    private String markdown(Section section) {
        var rows = section.rows();
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

    /** Puts each table where the specification has its place. */
    void writeInto(Path specification) {
        try {
            var text = Files.readString(specification);
            for (var section : sections) {
                text = replace(specification, text, section);
            }
            Files.writeString(specification, text);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot change " + specification, e);
        }
    }

    private String replace(Path specification, String text, Section section) {
        var begin = mark(section, "begin");
        int from = text.indexOf(begin);
        int to = text.indexOf(mark(section, "end"));
        if (from < 0 || to < from) {
            throw new WrennException(
                    Kind.INVALID,
                    "%s has no place for what is measured of %s: the lines \"%s\" and \"%s\""
                            .formatted(
                                    specification, section.topic(), begin, mark(section, "end")));
        }
        return text.substring(0, from + begin.length())
                + "\n"
                + markdown(section)
                + text.substring(to);
    }

    private static String mark(Section section, String edge) {
        return "<!-- measured by ./wrenn bench %s: %s -->".formatted(section.topic(), edge);
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
