package dev.wrenn.cli.terminal;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class TerminalProgressTest {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);

    private String shown() {
        return bytes.toString(StandardCharsets.UTF_8);
    }

    @Test
    void without_a_terminal_each_quarter_is_one_line() {
        try (var step = new TerminalProgress(out, false).start("Building it", 0)) {
            step.expect(8);
            for (int i = 0; i < 8; i++) {
                step.advance(1);
            }
            step.done();
        }

        assertThat(shown().lines().map(line -> line.replaceAll("[0-9.]+ s", "N s")))
                .containsExactly(
                        "==> Building it",
                        "    25 % after N s",
                        "    50 % after N s",
                        "    75 % after N s",
                        "    done in N s");
    }

    @Test
    void a_step_that_is_left_early_is_not_called_done() {
        try (var step = new TerminalProgress(out, false).start("Building it", 2)) {
            step.advance(1);
        }

        assertThat(shown()).contains("\"Building it\" did not finish").doesNotContain("done");
    }

    @Test
    void on_a_terminal_a_bar_ends_full_and_a_second_step_beside_it_gets_lines() {
        var progress = new TerminalProgress(out, true);
        try (var bar = progress.start("First", 4);
                var line = progress.start("Second", 1)) {
            bar.advance(1);
            line.done();
            bar.done();
        }

        assertThat(shown()).contains("==> First", "100%", "==> Second");
    }
}
