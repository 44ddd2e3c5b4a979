package dev.wrenn.cli;

import dev.wrenn.base.WrennException;
import dev.wrenn.cli.client.ApiFailure;
import dev.wrenn.cli.client.Json;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/**
 * The one place where a failure becomes words on standard error and an exit code: 1 failure, 2
 * misuse or a wrong configuration, and those of {@link ApiFailure}. With {@code --json} the words
 * are one line in the shape of the API's errors.
 */
final class Failures {
    private static final int FAILED = 1;
    private static final int MISUSED = 2;
    private static final String AS_JSON = "--json";

    private Failures() {}

    /** A command failed. */
    static int explain(Exception failure, CommandLine line, ParseResult parsed) {
        boolean json = line.getParseResult().hasMatchedOption(AS_JSON);
        if (!(failure instanceof WrennException known)) {
            if (json) {
                tell("bug", failure.toString(), List.of());
            }
            failure.printStackTrace();
            return FAILED;
        }
        var reasons = reasons(known);
        if (json) {
            tell(codeOf(known), known.shownMessage(), reasons);
        } else {
            System.err.println("wrenn: " + known.shownMessage());
            reasons.forEach(reason -> System.err.println("       because: " + reason));
        }
        if (known instanceof ApiFailure refused) {
            return refused.exitCode();
        }
        return switch (known.kind()) {
            case INVALID -> MISUSED;
            case BUG -> {
                known.printStackTrace();
                yield FAILED;
            }
            case ABSENT, CONFLICT, WRONG_STATE, EXHAUSTED, UNAVAILABLE, CORRUPT -> FAILED;
        };
    }

    /** The words make no command. */
    static int explainMisuse(ParameterException misuse, String[] words) {
        if (!List.of(words).contains(AS_JSON)) {
            var line = misuse.getCommandLine();
            line.getErr().println(misuse.getMessage());
            if (!CommandLine.UnmatchedArgumentException.printSuggestions(misuse, line.getErr())) {
                line.usage(line.getErr());
            }
            return MISUSED;
        }
        tell("misuse", String.valueOf(misuse.getMessage()), List.of());
        return MISUSED;
    }

    private static List<String> reasons(WrennException failure) {
        var reasons = new ArrayList<String>();
        for (var cause = failure.getCause(); cause != null; cause = cause.getCause()) {
            reasons.add(cause.getMessage() == null ? cause.toString() : cause.getMessage());
        }
        return reasons;
    }

    private static String codeOf(WrennException failure) {
        return failure instanceof ApiFailure refused
                ? refused.code()
                : failure.kind().name().toLowerCase(Locale.ROOT);
    }

    private static void tell(String code, String message, List<String> reasons) {
        var error = new LinkedHashMap<String, Object>();
        error.put("code", code);
        error.put("message", message);
        if (!reasons.isEmpty()) {
            error.put("because", reasons);
        }
        System.err.println(Json.line(Map.of("error", error)));
    }
}
