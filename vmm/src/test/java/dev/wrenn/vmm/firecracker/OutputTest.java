package dev.wrenn.vmm.firecracker;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayNameGeneration(ReplaceUnderscores.class)
final class OutputTest {
    @TempDir Path folder;

    private void write(String text) throws IOException {
        Files.writeString(folder.resolve("pipe"), text, StandardOpenOption.WRITE);
    }

    @Test
    void only_the_end_of_a_long_output_is_kept() throws IOException {
        try (var output = Output.create(folder.resolve("pipe"))) {
            for (int i = 0; i < 20; i++) {
                write("x".repeat(10_000) + i + "\n");
                assertThat(output.read()).hasSizeLessThanOrEqualTo(8192).endsWith(i + "\n");
            }
        }
    }

    @Test
    void control_characters_do_not_reach_a_log() throws IOException {
        try (var output = Output.create(folder.resolve("pipe"))) {
            write("\u001b[31mred\u0007\r\n");

            assertThat(output.read()).isEqualTo("[31mred\n");
        }
    }

    @Test
    void a_closed_output_still_tells_what_it_had_read() throws IOException {
        var output = Output.create(folder.resolve("pipe"));
        write("said");
        output.read();
        output.close();

        assertThat(output.read()).isEqualTo("said");
    }
}
