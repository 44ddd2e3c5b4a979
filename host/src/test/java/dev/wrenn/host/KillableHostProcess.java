package dev.wrenn.host;

import dev.wrenn.testkit.Slowness;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** The other side of {@link KillableHost}. */
final class KillableHostProcess implements AutoCloseable {
    private static final Duration END_LIMIT = Slowness.scaled(Duration.ofSeconds(60));

    private final Process process;
    private final BufferedReader answers;

    private KillableHostProcess(Process process) {
        this.process = process;
        this.answers = process.inputReader(StandardCharsets.UTF_8);
    }

    static KillableHostProcess start(Path folder) {
        var java = ProcessHandle.current().info().command().orElseThrow();
        try {
            var process =
                    new ProcessBuilder(
                                    java,
                                    "--enable-native-access=ALL-UNNAMED",
                                    "-XX:+UseSerialGC",
                                    "-XX:TieredStopAtLevel=1",
                                    "-Xmx128m",
                                    "-cp",
                                    System.getProperty("java.class.path"),
                                    KillableHost.class.getName(),
                                    folder.toString())
                            .redirectError(folder.resolve("child.log").toFile())
                            .start();
            return new KillableHostProcess(process);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Waits until it has taken over the folder. */
    KillableHostProcess awaitReady() {
        var line = read();
        if (!line.equals(Optional.of("ready"))) {
            throw new AssertionError("the host agent does not start: " + line);
        }
        return this;
    }

    /** Gives an order and does not wait. */
    void tell(String order) {
        try {
            process.getOutputStream().write((order + "\n").getBytes(StandardCharsets.UTF_8));
            process.getOutputStream().flush();
        } catch (IOException _) {
            // It has been killed, which the next answer tells.
        }
    }

    /** The next answer; empty if it died before. */
    Optional<String> read() {
        try {
            return Optional.ofNullable(answers.readLine());
        } catch (IOException _) {
            return Optional.empty();
        }
    }

    /** Gives an order that must be done. */
    void ask(String order) {
        tell(order);
        var answer = read();
        if (!answer.equals(Optional.of("done " + order))) {
            throw new AssertionError(order + " was answered with " + answer);
        }
    }

    /** As if the machine's operator had done kill -9. */
    void kill() {
        process.destroyForcibly();
        awaitEnd();
    }

    void awaitEnd() {
        try {
            if (!process.waitFor(END_LIMIT.toMillis(), TimeUnit.MILLISECONDS)) {
                throw new AssertionError("the host agent does not end");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }

    @Override
    public void close() {
        kill();
    }
}
