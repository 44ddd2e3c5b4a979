package dev.wrenn.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Command;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FifoTest {
    @TempDir Path folder;

    private static String text(Fifo fifo) {
        return new String(fifo.drain(), StandardCharsets.UTF_8);
    }

    @Test
    void what_was_written_is_taken_out_once_and_an_empty_pipe_does_not_wait() throws IOException {
        var path = folder.resolve("pipe");
        try (var fifo = Fifo.create(path)) {
            assertThat(text(fifo)).isEmpty();

            Files.writeString(path, "one", StandardOpenOption.WRITE);
            Files.writeString(path, "two", StandardOpenOption.WRITE);

            assertThat(text(fifo)).isEqualTo("onetwo");
            assertThat(text(fifo)).isEmpty();
        }
    }

    @Test
    void a_writer_that_does_not_wait_loses_what_does_not_fit() {
        var path = folder.resolve("pipe");
        try (var fifo = Fifo.create(path)) {
            var output =
                    Command.of(
                                    "dd",
                                    "if=/dev/zero",
                                    "of=" + path,
                                    "bs=4096",
                                    "count=100",
                                    "oflag=nonblock")
                            .tryRun();

            assertThat(output.isSuccess()).isFalse();
            assertThat(fifo.drain()).hasSize(64 * 1024);
        }
    }

    @Test
    void what_was_written_while_nobody_looked_is_found_by_whoever_opens_it_again()
            throws IOException {
        var path = folder.resolve("pipe");
        try (var writer = Fifo.create(path)) {
            Files.writeString(path, "kept", StandardOpenOption.WRITE);
            try (var reader = Fifo.open(path)) {
                assertThat(text(reader)).isEqualTo("kept");
            }
            assertThat(text(writer)).isEmpty();
        }
    }

    @Test
    void one_that_exists_is_not_made_again() throws IOException {
        var path = Files.createFile(folder.resolve("file"));

        assertThatThrownBy(() -> Fifo.create(path)).isInstanceOf(LinuxException.class);
    }
}
