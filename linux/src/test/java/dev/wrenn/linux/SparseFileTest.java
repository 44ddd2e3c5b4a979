package dev.wrenn.linux;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.linux.SparseFile.Extent;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SparseFileTest {
    private static final int PAGE = 4096;

    @TempDir Path folder;

    private Path file(long size, long... pages) throws IOException {
        var path = folder.resolve("file");
        try (var file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(size);
            for (long page : pages) {
                file.seek(page * PAGE);
                file.write(new byte[PAGE]);
            }
        }
        return path;
    }

    @Test
    void written_pages_are_told_from_holes_even_if_they_are_zero() throws IOException {
        assertThat(SparseFile.extents(file(1 << 20, 3, 7, 8)))
                .containsExactly(new Extent(3 * PAGE, 4 * PAGE), new Extent(7 * PAGE, 9 * PAGE));
    }

    @Test
    void a_file_of_holes_has_no_extent_and_a_whole_one_has_one() throws IOException {
        assertThat(SparseFile.extents(file(1 << 20))).isEmpty();
        assertThat(SparseFile.extents(file(2 * PAGE, 0, 1)))
                .containsExactly(new Extent(0, 2 * PAGE));
    }

    @Test
    void the_last_page_may_be_written() throws IOException {
        assertThat(SparseFile.extents(file(4 * PAGE, 3)))
                .containsExactly(new Extent(3 * PAGE, 4 * PAGE));
    }

    @Test
    void the_probe_says_what_this_file_system_does_and_leaves_nothing() throws IOException {
        assertThat(SparseFile.holesArePageExact(folder, 64L << 20)).isTrue();
        try (var files = Files.list(folder)) {
            assertThat(files).isEmpty();
        }
    }
}
