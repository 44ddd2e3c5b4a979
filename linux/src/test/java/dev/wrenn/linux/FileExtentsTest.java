package dev.wrenn.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

import dev.wrenn.base.Command;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where the file system says bytes lie; on an XFS image, because only reflinks share places. */
@Tag("root")
final class FileExtentsTest {
    private static final int MIB = 1 << 20;

    @TempDir private Path folder;

    @Test
    void a_clone_shares_all_but_what_was_written_since() throws IOException {
        withVolume(volume -> {
            var original = volume.resolve("original");
            try (var file = new RandomAccessFile(original.toFile(), "rw")) {
                file.setLength(16 * MIB);
                var bytes = new byte[4 * MIB];
                new Random(1).nextBytes(bytes);
                file.seek(2 * MIB);
                file.write(bytes);
            }
            var clone = volume.resolve("clone");
            assertThat(Reflink.clone(original, clone)).isTrue();
            try (var file = new RandomAccessFile(clone.toFile(), "rw")) {
                file.seek(3 * MIB + 100);
                file.write(7);
                file.seek(10 * MIB);
                file.write(7);
            }

            var before = FileExtents.of(original).orElseThrow();
            var after = FileExtents.of(clone).orElseThrow();

            assertThat(before.isHole(0, 2 * MIB)).isTrue();
            assertThat(before.isHole(0, 2 * MIB + 1)).isFalse();
            assertThat(before.isHole(6 * MIB, 16 * MIB)).isTrue();
            assertThat(after.isSharedWith(before, 0, 3 * MIB)).isTrue();
            assertThat(after.isSharedWith(before, 3 * MIB, 3 * MIB + 4096)).isFalse();
            assertThat(after.isSharedWith(before, 3 * MIB + 4096, 10 * MIB)).isTrue();
            assertThat(after.isSharedWith(before, 10 * MIB, 10 * MIB + 4096)).isFalse();
            assertThat(before.isSharedWith(after, 10 * MIB, 10 * MIB + 4096)).isFalse();
            assertThat(after.isSharedWith(before, 11 * MIB, 16 * MIB)).isTrue();
            assertThat(after.bytesBeside(before)).isEqualTo(2 * 4096);
            assertThat(before.bytesBeside(before)).isZero();
        });
    }

    @Test
    void bytes_that_are_not_written_back_yet_count_and_stay_where_they_are() throws IOException {
        withVolume(volume -> {
            var original = volume.resolve("original");
            Files.write(original, new byte[4 * MIB]);
            var clone = volume.resolve("clone");
            assertThat(Reflink.clone(original, clone)).isTrue();
            var before = FileExtents.of(original).orElseThrow();
            try (var file = new RandomAccessFile(clone.toFile(), "rw")) {
                file.seek(5 * MIB);
                file.write(new byte[MIB]);

                assertThat(FileExtents.asStored(clone).orElseThrow().bytesBeside(before))
                        .isEqualTo(MIB);
            }
        });
    }

    private interface Body {
        void run(Path volume) throws IOException;
    }

    private void withVolume(Body body) throws IOException {
        var image = folder.resolve("volume.xfs");
        var mount = Files.createDirectory(folder.resolve("volume"));
        try (var file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(512L * MIB);
        }
        if (!Command.of("mkfs.xfs", "-q", "-m", "reflink=1", image.toString()).tryRun().isSuccess()
                || !Command.of("mount", "-o", "loop", image.toString(), mount.toString())
                        .tryRun()
                        .isSuccess()) {
            abort("no XFS can be mounted here");
        }
        try {
            body.run(mount);
        } finally {
            Command.of("umount", mount.toString()).run();
        }
    }
}
