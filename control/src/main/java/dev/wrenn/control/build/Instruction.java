package dev.wrenn.control.build;

import dev.wrenn.control.http.ApiException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/** One line of a recipe. */
sealed interface Instruction {
    /** Longest time a step may ask for. */
    Duration LONGEST = Duration.ofHours(2);

    /**
     * Runs a shell command and demands that it succeeds.
     *
     * @param limit time it may take; the phase's own if absent
     */
    record Run(Optional<Duration> limit, String command) implements Instruction {}

    /** Starts a program that goes on running, also in the template if that holds memory. */
    record Start(String command) implements Instruction {}

    /**
     * Sets a variable for what follows and for capsules.
     *
     * @param value may name other variables
     */
    record Env(String name, String value) implements Instruction {}

    /** Makes a directory, and what follows starts there. */
    record WorkDir(String path) implements Instruction {}

    /** What follows runs as that user, who is made if there is none of that name. */
    record User(String name) implements Instruction {}

    /** Copies from the archive. */
    record Copy(List<String> sources, String destination) implements Instruction {
        /** Copies the list. */
        public Copy {
            sources = List.copyOf(sources);
        }
    }

    /**
     * Reads a line.
     *
     * @throws ApiException INVALID_REQUEST saying what is wrong with it
     */
    static Instruction parse(String line) {
        var text = line.strip();
        int space = text.indexOf(' ');
        var keyword = (space < 0 ? text : text.substring(0, space)).toUpperCase(Locale.ROOT);
        var rest = space < 0 ? "" : text.substring(space + 1).strip();
        return switch (keyword) {
            case "RUN" -> run(rest);
            case "START" -> new Start(demand(rest, "START needs a command"));
            case "ENV" -> env(rest);
            case "WORKDIR" -> new WorkDir(demand(rest, "WORKDIR needs a path"));
            case "USER" -> user(rest);
            case "COPY" -> copy(rest);
            default ->
                    throw ApiException.invalid(
                            "a recipe line begins with RUN, START, ENV, WORKDIR, USER or COPY");
        };
    }

    private static Instruction run(String rest) {
        var prefix = "--timeout=";
        if (!rest.startsWith(prefix)) {
            return new Run(Optional.empty(), demand(rest, "RUN needs a command"));
        }
        var words = rest.substring(prefix.length()).split("\\s+", 2);
        var limit = GoDuration.parse("--timeout", words[0], LONGEST);
        if (limit.isZero()) {
            throw ApiException.invalid("--timeout must be longer than 0");
        }
        var command = words.length < 2 ? "" : words[1];
        return new Run(Optional.of(limit), demand(command, "RUN needs a command"));
    }

    private static Instruction env(String rest) {
        int equals = rest.indexOf('=');
        var name = equals < 0 ? "" : rest.substring(0, equals);
        if (!Variables.NAME.matcher(name).matches()) {
            throw ApiException.invalid("ENV needs NAME=VALUE");
        }
        return new Env(name, rest.substring(equals + 1));
    }

    /** What a user may be called. */
    Pattern USER_NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_-]{0,31}");

    private static Instruction user(String rest) {
        if (!USER_NAME.matcher(rest).matches()) {
            throw ApiException.invalid(
                    "USER needs a name of letters, digits, - and _, beginning with a letter or _");
        }
        return new User(rest);
    }

    private static Instruction copy(String rest) {
        var words = Arrays.asList(rest.split("\\s+", -1));
        if (words.size() < 2) {
            throw ApiException.invalid("COPY needs at least one source and a destination");
        }
        var sources = words.subList(0, words.size() - 1);
        for (var source : sources) {
            if (source.startsWith("/") || Arrays.asList(source.split("/", -1)).contains("..")) {
                throw ApiException.invalid(
                        "COPY takes from the archive: " + source + " must be relative, without ..");
            }
        }
        return new Copy(sources, words.getLast());
    }

    private static String demand(String text, String problem) {
        if (text.isEmpty()) {
            throw ApiException.invalid(problem);
        }
        return text;
    }
}
