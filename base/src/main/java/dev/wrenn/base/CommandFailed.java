package dev.wrenn.base;

import java.io.IOException;
import java.time.Duration;
import java.util.List;

/** An external program could not be started, failed, or took too long. */
public final class CommandFailed extends WrennException {
    private static final long serialVersionUID = 1L;

    CommandFailed(List<String> arguments, IOException cause) {
        super(
                Kind.UNAVAILABLE,
                "cannot start `" + String.join(" ", arguments) + "`; is it installed?",
                cause);
    }

    CommandFailed(List<String> arguments, Duration limit) {
        super(
                Kind.UNAVAILABLE,
                "`%s` did not end within %d ms"
                        .formatted(String.join(" ", arguments), limit.toMillis()));
    }

    CommandFailed(List<String> arguments, Command.Output output) {
        super(
                Kind.UNAVAILABLE,
                "`%s` ended with exit code %d: %s"
                        .formatted(
                                String.join(" ", arguments), output.exitCode(), lastLines(output)));
    }

    private static String lastLines(Command.Output output) {
        var text = output.stderr().isBlank() ? output.stdout() : output.stderr();
        var lines = text.strip().lines().toList();
        return String.join(" | ", lines.subList(Math.max(0, lines.size() - 5), lines.size()));
    }
}
