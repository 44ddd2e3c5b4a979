package dev.wrenn.base;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * An external program called with an argument list, never through a shell; the only place that
 * starts helper programs.
 *
 * <p>Immutable: each method returns a changed copy. The program gets an empty standard input unless
 * {@link #input} is given, and dies with its deadline.
 */
public final class Command {
    private static final int KEPT_OUTPUT_CHARS = 64 * 1024;

    private final List<String> arguments;
    private final Duration limit;
    private final Optional<String> input;
    private final Optional<Path> directory;
    private final Map<String, String> environment;
    private final Consumer<String> lines;

    private Command(
            List<String> arguments,
            Duration limit,
            Optional<String> input,
            Optional<Path> directory,
            Map<String, String> environment,
            Consumer<String> lines) {
        this.arguments = List.copyOf(arguments);
        this.limit = limit;
        this.input = input;
        this.directory = directory;
        this.environment = Map.copyOf(environment);
        this.lines = lines;
    }

    /** What a program left behind. */
    public record Output(int exitCode, String stdout, String stderr) {
        /** Whether it ended with 0. */
        public boolean isSuccess() {
            return exitCode == 0;
        }
    }

    /** A call with a limit of 30 s. */
    public static Command of(String... arguments) {
        return of(List.of(arguments));
    }

    /** A call with a limit of 30 s. */
    public static Command of(List<String> arguments) {
        return new Command(
                arguments,
                Duration.ofSeconds(30),
                Optional.empty(),
                Optional.empty(),
                Map.of(),
                _ -> {});
    }

    /** With another limit. */
    public Command within(Duration newLimit) {
        return new Command(arguments, newLimit, input, directory, environment, lines);
    }

    /** With that text as standard input. */
    public Command input(String text) {
        return new Command(arguments, limit, Optional.of(text), directory, environment, lines);
    }

    /** Run in that directory. */
    public Command in(Path newDirectory) {
        return new Command(arguments, limit, input, Optional.of(newDirectory), environment, lines);
    }

    /** With one more environment variable. */
    public Command with(String variable, String value) {
        var changed = new HashMap<>(environment);
        changed.put(variable, value);
        return new Command(arguments, limit, input, directory, changed, lines);
    }

    /**
     * Also hands each line of either output to the listener as it comes; it must be thread-safe.
     */
    public Command eachLine(Consumer<String> listener) {
        return new Command(arguments, limit, input, directory, environment, listener);
    }

    /**
     * Runs it and demands exit code 0.
     *
     * @throws CommandFailed if it cannot be started, fails or takes too long
     */
    public Output run() {
        var output = tryRun();
        if (!output.isSuccess()) {
            throw new CommandFailed(arguments, output);
        }
        return output;
    }

    /**
     * Runs it and returns whatever came out.
     *
     * @throws CommandFailed if it cannot be started or takes too long
     */
    public Output tryRun() {
        var builder = new ProcessBuilder(arguments);
        directory.ifPresent(d -> builder.directory(d.toFile()));
        builder.environment().putAll(environment);
        Process process;
        try {
            process = builder.start();
        } catch (IOException e) {
            throw new CommandFailed(arguments, e);
        }
        // The program is ended before its output is waited for: it may never end by itself.
        try (var forks = new Forks();
                Resource _ = () -> end(process)) {
            var stdout = forks.start("stdout", () -> drain(process.getInputStream()));
            var stderr = forks.start("stderr", () -> drain(process.getErrorStream()));
            try (var stdin = process.getOutputStream()) {
                if (input.isPresent()) {
                    stdin.write(input.get().getBytes(StandardCharsets.UTF_8));
                }
            } catch (IOException _) {
                // The program ended without reading its input; its exit code tells why.
            }
            if (!process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS)) {
                throw new CommandFailed(arguments, limit);
            }
            var left = Duration.ofSeconds(5);
            return new Output(process.exitValue(), stdout.take(left), stderr.take(left));
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new CommandFailed(arguments, limit);
        }
    }

    private static void end(Process process) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
    }

    private String drain(InputStream stream) throws IOException {
        var kept = new StringBuilder();
        try (var reader =
                new java.io.BufferedReader(
                        new java.io.InputStreamReader(stream, StandardCharsets.UTF_8))) {
            for (var line = reader.readLine(); line != null; line = reader.readLine()) {
                lines.accept(line);
                if (kept.length() < KEPT_OUTPUT_CHARS) {
                    kept.append(line).append('\n');
                }
            }
        }
        return kept.toString();
    }

    /** The arguments, for messages. */
    @Override
    public String toString() {
        return String.join(" ", new ArrayList<>(arguments));
    }
}
