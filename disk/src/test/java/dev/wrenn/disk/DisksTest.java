package dev.wrenn.disk;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Command;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What may become a template's disk; gap D19. */
class DisksTest {
    @TempDir Path folder;

    private Path disk;

    @BeforeEach
    void makeDisk() {
        disk = folder.resolve("disk.ext4");
        Command.of("mke2fs", "-q", "-t", "ext4", disk.toString(), "8M").run();
    }

    private void put(long at, int... bytes) throws IOException {
        try (var file = new RandomAccessFile(disk.toFile(), "rw")) {
            file.seek(1024 + at);
            for (int b : bytes) {
                file.write(b);
            }
        }
    }

    private int get(long at) throws IOException {
        try (var file = new RandomAccessFile(disk.toFile(), "r")) {
            file.seek(1024 + at);
            return file.read();
        }
    }

    @Test
    void a_disk_at_rest_is_clean() {
        assertThatCode(() -> new Disks().requireClean(disk)).doesNotThrowAnyException();
    }

    @Test
    void a_disk_that_is_still_mounted_or_has_an_open_journal_is_not() throws IOException {
        put(0x60, get(0x60) | 0x4);

        assertThatThrownBy(() -> new Disks().requireClean(disk))
                .isInstanceOf(DiskFailed.class)
                .hasMessageContaining("at rest");

        put(0x60, get(0x60) & ~0x4);
        put(0x3A, 0, 0);
        assertThatThrownBy(() -> new Disks().requireClean(disk)).hasMessageContaining("at rest");
    }

    @Test
    void neither_is_one_without_a_file_system_or_one_that_is_cut_off() throws IOException {
        put(0x38, 0, 0);
        assertThatThrownBy(() -> new Disks().requireClean(disk)).hasMessageContaining("ext4");

        Files.write(disk, new byte[1500]);
        assertThatThrownBy(() -> new Disks().requireClean(disk)).hasMessageContaining("ends");
    }
}
