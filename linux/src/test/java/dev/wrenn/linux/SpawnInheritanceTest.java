package dev.wrenn.linux;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Deadline;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayNameGeneration(ReplaceUnderscores.class)
final class SpawnInheritanceTest {
    @TempDir Path folder;

    @Test
    void a_program_finds_the_descriptors_it_is_given_in_order_and_no_others() throws IOException {
        var first = Files.writeString(folder.resolve("first"), "1");
        var second = Files.writeString(folder.resolve("second"), "2");
        var output = folder.resolve("output");
        var shell =
                new Spawn(
                        List.of("/bin/sh", "-c", "cat <&3; cat <&4; cd /proc/self/fd; echo *"),
                        Map.of("PATH", "/bin:/usr/bin"),
                        output,
                        Optional.empty());

        try (var a = Fd.open(first, Fd.O_RDONLY);
                var b = Fd.open(second, Fd.O_RDONLY);
                var process = shell.start(List.of(a, b))) {
            assertThat(process.awaitExit(Deadline.after(Duration.ofSeconds(10)))).isTrue();
        }

        // The shell opens one more to read the folder.
        assertThat(Files.readString(output).strip()).startsWith("120 1 2 3 4").doesNotContain("6");
    }
}
