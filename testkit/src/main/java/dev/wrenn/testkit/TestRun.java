package dev.wrenn.testkit;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectMethod;

import java.io.PrintStream;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Runs test classes where there is no build tool. Says of each test how it went as soon as it is
 * known, and closes with the line that a build would print.
 */
public final class TestRun implements TestExecutionListener {
    private final PrintStream output;
    private final Map<String, Long> startedNanos = new HashMap<>();
    private int run;
    private int failures;
    private int errors;
    private int skipped;

    private TestRun(PrintStream output) {
        this.output = output;
    }

    /**
     * Exits with 0 if all tests passed, and there were some.
     *
     * @param arguments names of classes, or of methods as {@code class#method}
     */
    public static void main(String[] arguments) {
        var listener = new TestRun(System.out);
        var request =
                LauncherDiscoveryRequestBuilder.request()
                        .selectors(
                                Arrays.stream(arguments)
                                        .map(name ->
                                                name.contains("#")
                                                        ? selectMethod(name)
                                                        : selectClass(name))
                                        .toList())
                        .build();
        LauncherFactory.create().execute(request, listener);
        System.out.println(listener.closingLine());
        System.exit(listener.isSuccess() ? 0 : 1);
    }

    private boolean isSuccess() {
        return run > skipped && failures + errors == 0;
    }

    private String closingLine() {
        return "Tests run: %d, Failures: %d, Errors: %d, Skipped: %d"
                .formatted(run, failures, errors, skipped);
    }

    @Override
    public synchronized void executionStarted(TestIdentifier test) {
        startedNanos.put(test.getUniqueId(), System.nanoTime());
    }

    @Override
    public synchronized void executionSkipped(TestIdentifier test, String reason) {
        run++;
        skipped++;
        output.println("SKIPPED " + nameOf(test) + ": " + reason);
    }

    @Override
    public synchronized void executionFinished(TestIdentifier test, TestExecutionResult result) {
        long now = System.nanoTime();
        var took = Duration.ofNanos(now - startedNanos.getOrDefault(test.getUniqueId(), now));
        if (test.isTest()) {
            run++;
        }
        switch (result.getStatus()) {
            case SUCCESSFUL -> {
                if (test.isTest()) {
                    report("ok", test, took);
                }
            }
            case FAILED -> {
                var cause = result.getThrowable().orElseGet(() -> new AssertionError("no cause"));
                if (cause instanceof AssertionError) {
                    failures++;
                } else {
                    errors++;
                }
                report("FAILED", test, took);
                cause.printStackTrace(output);
            }
            case ABORTED -> {
                skipped++;
                report("SKIPPED", test, took);
            }
        }
    }

    private void report(String how, TestIdentifier test, Duration took) {
        output.println("%s %s (%.1f s)".formatted(how, nameOf(test), took.toMillis() / 1e3));
        output.flush();
    }

    private static String nameOf(TestIdentifier test) {
        var id = test.getUniqueId();
        return id.substring(id.indexOf("[class:") < 0 ? 0 : id.indexOf("[class:"));
    }
}
