package dev.wrenn.testkit;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectMethod;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectUniqueId;

import java.io.PrintStream;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.junit.platform.engine.DiscoverySelector;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.TestExecutionResult.Status;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Runs test classes where there is no build tool. Says of each test how it went as soon as it is
 * known, and closes with the line that a build would print.
 *
 * <p>Where WRENN_TEST_RETRIES is set, on a machine inside of an emulator, what failed is run that
 * often once more; a test that passes then is counted as a flake, not as a failure.
 */
public final class TestRun implements TestExecutionListener {
    private final PrintStream output;
    private final Map<String, Long> startedNanos = new HashMap<>();
    private int run;
    private int failures;
    private int errors;
    private int skipped;
    private final Set<String> failed = new TreeSet<>();

    private TestRun(PrintStream output) {
        this.output = output;
    }

    /**
     * Exits with 0 if all tests passed, and there were some.
     *
     * @param arguments names of classes, or of methods as {@code class#method}
     */
    public static void main(String[] arguments) {
        int retries =
                Optional.ofNullable(System.getenv("WRENN_TEST_RETRIES"))
                        .map(Integer::parseInt)
                        .orElse(0);
        System.exit(isSuccess(List.of(arguments), retries, System.out) ? 0 : 1);
    }

    /** Runs these; whether all passed, the last time that each was run. */
    static boolean isSuccess(List<String> names, int retries, PrintStream output) {
        var run =
                execute(
                        names.stream()
                                .<DiscoverySelector>map(name ->
                                        name.contains("#") ? selectMethod(name) : selectClass(name))
                                .toList(),
                        output);
        int flakes = 0;
        for (int i = 0; i < retries && !run.failed.isEmpty(); i++) {
            output.println("Once more, what failed:");
            var again =
                    execute(
                            run.failed.stream().<DiscoverySelector>map(TestRun::again).toList(),
                            output);
            flakes += run.failed.size() - again.failed.size();
            run.replaceFailures(again);
        }
        output.println(run.closingLine() + (flakes > 0 ? ", Flakes: " + flakes : ""));
        return run.isSuccess();
    }

    private static DiscoverySelector again(String test) {
        return selectUniqueId(test);
    }

    private static TestRun execute(List<DiscoverySelector> tests, PrintStream output) {
        var listener = new TestRun(output);
        var request = LauncherDiscoveryRequestBuilder.request().selectors(tests).build();
        LauncherFactory.create().execute(request, listener);
        return listener;
    }

    /** Counts what came of another attempt at all that failed, instead of the failures. */
    private void replaceFailures(TestRun again) {
        run += again.run - failed.size();
        skipped += again.skipped;
        failures = again.failures;
        errors = again.errors;
        failed.clear();
        failed.addAll(again.failed);
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
        if (test.isTest() || result.getStatus() == Status.FAILED) {
            run++; // what fails before or after all tests of a class is counted too
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
                failed.add(test.getUniqueId());
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
