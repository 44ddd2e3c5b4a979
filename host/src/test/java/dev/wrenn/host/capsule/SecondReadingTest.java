package dev.wrenn.host.capsule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SecondReadingTest {
    private static final Deadline LONG = Deadline.after(Duration.ofMinutes(1));

    @TempDir Path folder;
    private final AtomicInteger attempts = new AtomicInteger();

    @Test
    void what_cannot_be_read_for_a_moment_is_read_later() throws IOException {
        var file = Files.createDirectory(folder.resolve("file")); // a folder cannot be read

        var text =
                SecondReading.of(
                        () -> {
                            if (attempts.incrementAndGet() == 3) {
                                restore(file);
                            }
                            return read(file);
                        },
                        LONG);

        assertThat(text).isEqualTo("content");
        assertThat(attempts).hasValue(3);
    }

    @Test
    void what_stays_unreadable_is_told_once_the_time_is_over() throws IOException {
        var file = Files.createDirectory(folder.resolve("file"));

        assertThatThrownBy(() ->
                        SecondReading.of(
                                () -> {
                                    attempts.incrementAndGet();
                                    return read(file);
                                },
                                Deadline.after(Duration.ofSeconds(1))))
                .hasMessage("cannot be read");
        assertThat(attempts).hasValueGreaterThan(1);
    }

    @Test
    void a_file_that_is_missing_or_damaged_is_not_read_again() {
        for (var failure :
                new WrennException[] {
                    new WrennException(Kind.CORRUPT, "does not match its checksum"),
                    new WrennException(Kind.CORRUPT, "is missing", new NoSuchFileException("file"))
                }) {
            attempts.set(0);

            assertThatThrownBy(() ->
                            SecondReading.of(
                                    () -> {
                                        attempts.incrementAndGet();
                                        throw failure;
                                    },
                                    LONG))
                    .isSameAs(failure);
            assertThat(attempts).hasValue(1);
        }
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new WrennException(Kind.CORRUPT, "cannot be read", e);
        }
    }

    private static void restore(Path file) {
        try {
            Files.delete(file);
            Files.writeString(file, "content");
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
