package dev.wrenn.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Command;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The volume on a real XFS image. */
@Tag("root")
final class DataVolumeRootTest {
    private static final ByteSize SIZE = ByteSize.mib(320); // mkfs.xfs refuses less than 300 MB

    @TempDir private Path folder;

    @AfterEach
    void nothing_stays_mounted() throws IOException {
        assertThat(Files.readString(Path.of("/proc/mounts"))).doesNotContain(folder.toString());
        assertThat(Command.of("losetup", "--list").run().stdout())
                .doesNotContain(folder.toString());
    }

    @Test
    void a_clone_shares_blocks_and_is_independent() throws IOException {
        try (var volume = DataVolume.open(folder, SIZE, _ -> {})) {
            var original = volume.root().resolve("a.raw");
            var content = new byte[64 << 20];
            new Random(1).nextBytes(content);
            Files.write(original, content);
            long before = volume.root().toFile().getUsableSpace();
            var clone = volume.root().resolve("b.raw");

            volume.disks().cloneDisk(original, clone);

            assertThat(Files.mismatch(original, clone)).isEqualTo(-1);
            assertThat(before - volume.root().toFile().getUsableSpace())
                    .as("bytes a clone takes")
                    .isLessThan(4 << 20);
            Files.writeString(clone, "changed");
            assertThat(Files.readAllBytes(original)).isEqualTo(content);
        }
    }

    @Test
    void a_tool_that_only_looks_leaves_the_volume_mounted_or_not_as_it_was() throws IOException {
        assertThat(DataVolume.existing(folder)).isEmpty();
        try (var used = DataVolume.open(folder, SIZE, _ -> {})) {
            Files.writeString(used.root().resolve("kept"), "kept");
            DataVolume.existing(folder).orElseThrow().close();

            assertThat(used.root().resolve("kept")).hasContent("kept");
        }
        try (var seen = DataVolume.existing(folder).orElseThrow()) {
            assertThat(seen.root().resolve("kept")).hasContent("kept");
        }
    }

    @Test
    void a_volume_left_mounted_by_a_killed_process_is_found_again() throws IOException {
        var left = DataVolume.open(folder, SIZE, _ -> {});
        Files.writeString(left.root().resolve("kept"), "kept");

        try (var again = DataVolume.open(folder, SIZE, _ -> {})) {
            assertThat(again.root().resolve("kept")).hasContent("kept");
        }
    }

    @Test
    void content_survives_closing_and_opening() throws IOException {
        try (var volume = DataVolume.open(folder, SIZE, _ -> {})) {
            Files.writeString(volume.root().resolve("kept"), "kept");
        }

        try (var again = DataVolume.open(folder, SIZE, _ -> {})) {
            assertThat(again.root().resolve("kept")).hasContent("kept");
        }
    }

    @Test
    void a_clone_that_does_not_fit_is_refused_and_leaves_nothing() throws IOException {
        var outside = folder.resolve("big.raw");
        Files.write(outside, noise(400 << 20));
        try (var volume = DataVolume.open(folder, SIZE, _ -> {})) {
            var target = volume.root().resolve("copy.raw");

            assertThatThrownBy(() -> volume.disks().cloneDisk(outside, target))
                    .isInstanceOfSatisfying(
                            WrennException.class,
                            e -> assertThat(e.kind()).isEqualTo(Kind.EXHAUSTED));

            assertThat(target).doesNotExist();
        }
    }

    private static byte[] noise(int bytes) {
        var content = new byte[bytes];
        new Random(2).nextBytes(content);
        return content;
    }
}
