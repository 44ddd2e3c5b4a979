package dev.wrenn.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Disabled;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayNameGeneration(ReplaceUnderscores.class)
final class TestRunTest {
    private static final String MARK = "wrenn.test-run.mark";

    @TempDir Path folder;

    /** Tests that fail until the file is there that one of them makes. */
    static class Shaky {
        @Test
        void passes() {}

        @ParameterizedTest
        @ValueSource(booleans = {true, false})
        void fails_once_for_one_value(boolean isShaky) throws Exception {
            var mark = Path.of(System.getProperty(MARK));
            if (isShaky && !Files.exists(mark)) {
                Files.createFile(mark);
                throw new AssertionError("the first time");
            }
        }
    }

    /** Tests that fail always. */
    static class Broken {
        @Test
        void fails() {
            throw new AssertionError("as ever");
        }

        @Test
        void breaks() {
            throw new IllegalStateException("as ever");
        }
    }

    /** Tests that are never reached. */
    static class Unreachable {
        @BeforeAll
        static void fail() {
            assertThat(System.getProperty(MARK)).isEmpty();
        }

        @Test
        void is_not_reached() {}
    }

    /** No test at all, in the end. */
    static class Idle {
        @Test
        @Disabled
        void is_skipped() {}
    }

    private record Outcome(boolean isSuccess, String output) {}

    private Outcome run(Class<?> tests, int retries) {
        System.setProperty(MARK, folder.resolve("mark").toString());
        try {
            var output = new ByteArrayOutputStream();
            boolean success =
                    TestRun.isSuccess(
                            List.of(tests.getName()),
                            retries,
                            new PrintStream(output, true, StandardCharsets.UTF_8));
            return new Outcome(success, output.toString(StandardCharsets.UTF_8));
        } finally {
            System.clearProperty(MARK);
        }
    }

    @Test
    void a_failure_is_a_failure_without_a_retry() {
        var outcome = run(Shaky.class, 0);

        assertThat(outcome.isSuccess()).isFalse();
        assertThat(outcome.output())
                .contains("the first time")
                .endsWith("Tests run: 3, Failures: 1, Errors: 0, Skipped: 0\n");
    }

    @Test
    void what_passes_when_it_is_run_once_more_is_a_flake_and_shown() {
        var outcome = run(Shaky.class, 1);

        assertThat(outcome.isSuccess()).isTrue();
        assertThat(outcome.output())
                .contains("the first time")
                .endsWith("Tests run: 3, Failures: 0, Errors: 0, Skipped: 0, Flakes: 1\n");
    }

    @Test
    void what_fails_every_time_is_counted_once() {
        var outcome = run(Broken.class, 1);

        assertThat(outcome.isSuccess()).isFalse();
        assertThat(outcome.output()).endsWith("Tests run: 2, Failures: 1, Errors: 1, Skipped: 0\n");
    }

    @Test
    void a_class_that_fails_before_its_tests_is_a_failure() {
        var outcome = run(Unreachable.class, 1);

        assertThat(outcome.isSuccess()).isFalse();
        assertThat(outcome.output()).endsWith("Tests run: 1, Failures: 1, Errors: 0, Skipped: 0\n");
    }

    @Test
    void tests_that_are_all_skipped_are_no_success() {
        var outcome = run(Idle.class, 1);

        assertThat(outcome.isSuccess()).isFalse();
        assertThat(outcome.output()).contains("SKIPPED");
    }
}
