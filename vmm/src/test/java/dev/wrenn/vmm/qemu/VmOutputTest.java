package dev.wrenn.vmm.qemu;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayNameGeneration(ReplaceUnderscores.class)
final class VmOutputTest {
    @TempDir Path folder;

    @Test
    void what_a_guest_prints_cannot_steer_a_terminal_and_is_bounded() {
        var output = new VmOutput(folder.resolve("log"));

        var console = output.addConsole(base64("a\u001b[2J\r\n\u0007b" + "\0".repeat(10)));

        assertThat(console).isEqualTo("a[2J\nb");
        assertThat(output.addConsole(base64("x".repeat(60_000)))).hasSize(8192);
        assertThat(output.addConsole(base64("end"))).endsWith("xend").hasSize(8192);
    }

    @Test
    void bytes_that_are_no_text_are_shown_as_such() {
        var raw = new byte[] {'a', (byte) 0xff, (byte) 0xc3, 'b'};

        assertThat(
                        new VmOutput(folder.resolve("log"))
                                .addConsole(Base64.getEncoder().encodeToString(raw)))
                .isEqualTo("a\ufffd\ufffdb");
    }

    @Test
    void a_log_that_grew_too_long_is_emptied_and_a_short_one_kept() throws IOException {
        var log = folder.resolve("log");
        var output = new VmOutput(log);
        Files.writeString(log, "reason\n");
        output.trim();
        assertThat(output.lastLines()).isEqualTo("reason");

        Files.write(log, new byte[300_000]);
        output.trim();

        assertThat(log).isEmptyFile();
    }

    private static String base64(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }
}
