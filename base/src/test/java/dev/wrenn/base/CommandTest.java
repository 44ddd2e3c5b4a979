package dev.wrenn.base;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.testkit.Eventually;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayNameGeneration(ReplaceUnderscores.class)
final class CommandTest {
    @TempDir Path folder;

    @Test
    void what_a_program_says_is_kept_apart_from_its_complaints() {
        var output = Command.of("sh", "-c", "echo out; echo err >&2; exit 3").tryRun();

        assertThat(output).isEqualTo(new Command.Output(3, "out\n", "err\n"));
    }

    @Test
    void a_program_that_does_not_end_costs_its_limit_and_is_ended_with_its_children() {
        var pids = folder.resolve("pids");
        var script = "sleep 600 & echo $! $$ > " + pids + "; wait";

        var watch = Stopwatch.start();
        assertThatThrownBy(() -> Command.of("sh", "-c", script).within(Duration.ofSeconds(1)).run())
                .isInstanceOf(CommandFailed.class)
                .hasMessageContaining("1000 ms");

        assertThat(watch.elapsed()).isLessThan(Duration.ofSeconds(20));
        Eventually.holds(
                Duration.ofSeconds(20),
                () -> {
                    for (var pid : Files.readString(pids).strip().split(" ", -1)) {
                        assertThat(ProcessHandle.of(Long.parseLong(pid))).isEmpty();
                    }
                });
    }
}
