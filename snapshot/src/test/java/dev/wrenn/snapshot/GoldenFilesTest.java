package dev.wrenn.snapshot;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Snapshots that earlier versions wrote stay readable: the files are as they were written then and
 * never change.
 */
final class GoldenFilesTest {
    private static final SnapshotId ID = new SnapshotId("snap-00000000000000000000000000000001");

    @TempDir private Path folder;

    @Test
    void a_snapshot_of_manifest_version_1_reads_as_it_was_written() throws IOException {
        assertReads("v1");
    }

    @Test
    void a_snapshot_of_manifest_version_2_reads_as_it_was_written() throws IOException {
        var snapshot = assertReads("v2");

        assertThat(snapshot.diskSums().orElseThrow().count()).isEqualTo(2);
    }

    private Snapshot assertReads(String version) throws IOException {
        copy(Path.of("src/test/resources/golden", version));
        var store = new SnapshotStore(folder);
        var snapshot = store.open(ID);
        assertThat(snapshot.manifest().version()).isEqualTo(Manifest.VERSION);
        assertThat(snapshot.workingSet()).isEqualTo(WorkingSet.of(0));
        try (var image = snapshot.image()) {
            TestStore.assertReads(image, goldenMemory());
        }
        return snapshot;
    }

    /** Page 1 holds ones, page 2 twos, page 5 fives, the others zeroes. */
    static byte[] goldenMemory() {
        var memory = new byte[16 * PageSource.PAGE_BYTES];
        for (int page : List.of(1, 2, 5)) {
            Arrays.fill(
                    memory,
                    page * PageSource.PAGE_BYTES,
                    (page + 1) * PageSource.PAGE_BYTES,
                    (byte) page);
        }
        return memory;
    }

    private void copy(Path golden) throws IOException {
        try (var tree = Files.walk(golden)) {
            for (var file : tree.filter(Files::isRegularFile).toList()) {
                var target = folder.resolve(golden.relativize(file));
                Files.createDirectories(Objects.requireNonNull(target.getParent()));
                Files.copy(file, target);
                // The disk's identity is that of the day it was written.
                Files.setLastModifiedTime(target, FileTime.fromMillis(0));
            }
        }
    }
}
