package dev.wrenn.pager;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.testkit.Cases;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.SortedMap;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MemoryFileTest {
    private static final int PAGE = PageSource.PAGE_BYTES;

    @TempDir Path folder;

    private Path file(long pages, SortedMap<Integer, byte[]> written) throws IOException {
        var path = folder.resolve("memory");
        try (var file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(0);
            file.setLength(pages * PAGE);
            for (var page : written.entrySet()) {
                file.seek((long) page.getKey() * PAGE);
                file.write(page.getValue());
            }
        }
        return path;
    }

    @Test
    void pages_that_were_written_come_as_they_are_and_holes_do_not_come() {
        Cases.check(
                40,
                random -> {
                    int pages = random.between(1, 9_000); // more than one chunk
                    var written = new TreeMap<Integer, byte[]>();
                    for (int i = random.between(0, 200); i > 0; i--) {
                        // Every fourth is a page that the guest zeroed.
                        var bytes = random.oneIn(4) ? new byte[PAGE] : random.bytes(PAGE);
                        written.put(random.between(0, pages - 1), bytes);
                    }
                    var captured = new Captured();

                    MemoryFile.read(file(pages, written), captured);

                    assertThat(captured.written.keySet()).isEqualTo(written.keySet());
                    written.forEach((page, bytes) ->
                            assertThat(captured.written.get(page)).isEqualTo(bytes));
                    assertThat(captured.zeroed).isEmpty();
                });
    }

    @Test
    void a_file_that_ends_within_a_page_is_refused() throws IOException {
        var path = file(2, new TreeMap<>());
        try (var file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(PAGE + 1);
        }

        assertThatThrownBy(() -> MemoryFile.read(path, new Captured()))
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.CORRUPT));
    }
}
