package dev.wrenn.vmm.firecracker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Kind;
import dev.wrenn.vmm.VmmFailed;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.apache.commons.compress.compressors.lz4.BlockLZ4CompressorOutputStream;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayNameGeneration(ReplaceUnderscores.class)
final class VmlinuxTest {
    private static final int BLOCK = 8 << 20;
    private static final int PAYLOAD_AT = 5 * 512 + 64;

    @TempDir Path folder;

    /** Starts like an ELF file and is longer than one block. */
    private static byte[] elf() {
        var bytes = new byte[BLOCK + 12_345];
        new Random(7).nextBytes(bytes);
        for (int i = 1_000; i < BLOCK - 1_000; i++) {
            bytes[i] = (byte) (i / 4096); // most of a kernel compresses well
        }
        System.arraycopy(new byte[] {0x7f, 'E', 'L', 'F'}, 0, bytes, 0, 4);
        return bytes;
    }

    private static byte[] payload(byte[] kernel) throws IOException {
        var all = new ByteArrayOutputStream();
        all.writeBytes(number(0x184C2102));
        for (int at = 0; at < kernel.length; at += BLOCK) {
            var block = new ByteArrayOutputStream();
            try (var compressor = new BlockLZ4CompressorOutputStream(block)) {
                compressor.write(kernel, at, Math.min(BLOCK, kernel.length - at));
            }
            all.writeBytes(number(block.size()));
            all.writeBytes(block.toByteArray());
        }
        all.writeBytes(number(kernel.length));
        return all.toByteArray();
    }

    private static byte[] number(int value) {
        return ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array();
    }

    private static byte[] bzImage(byte[] payload) {
        var image =
                ByteBuffer.allocate(PAYLOAD_AT + payload.length + 100)
                        .order(ByteOrder.LITTLE_ENDIAN);
        image.put(0x1f1, (byte) 4);
        image.putInt(0x202, 0x53726448);
        image.putShort(0x206, (short) 0x20f);
        image.putInt(0x248, 64);
        image.putInt(0x24c, payload.length);
        image.put(PAYLOAD_AT, payload);
        return image.array();
    }

    private Path extract(byte[] image) throws IOException {
        var kernel = Files.write(folder.resolve("vmlinuz"), image);
        var target = folder.resolve("vmlinux");
        Vmlinux.extract(kernel, target);
        return target;
    }

    private void assertRefused(byte[] image, String why) {
        assertThatThrownBy(() -> extract(image))
                .isInstanceOfSatisfying(
                        VmmFailed.class,
                        e -> {
                            assertThat(e.kind()).isEqualTo(Kind.INVALID);
                            assertThat(e.getCause()).hasMessageContaining(why);
                        });
        assertThat(folder.resolve("vmlinux")).doesNotExist();
    }

    @Test
    void the_kernel_is_taken_out_of_its_image_byte_by_byte() throws IOException {
        var kernel = elf();

        assertThat(Files.readAllBytes(extract(bzImage(payload(kernel))))).isEqualTo(kernel);
    }

    @Test
    void an_elf_file_is_taken_as_it_is() throws IOException {
        var kernel = elf();

        assertThat(Files.readAllBytes(extract(kernel))).isEqualTo(kernel);
    }

    @Test
    void other_files_are_refused() {
        assertRefused(new byte[0], "neither an ELF file nor a bzImage");
        assertRefused(new byte[100_000], "neither an ELF file nor a bzImage");
    }

    @Test
    void other_compressions_are_refused_by_name() throws IOException {
        var payload = payload(elf());
        payload[0] = 0x1f;

        assertRefused(bzImage(payload), "CONFIG_KERNEL_LZ4");
    }

    @Test
    void a_payload_that_is_no_kernel_is_refused() throws IOException {
        var kernel = elf();
        kernel[0] = 0;

        assertRefused(bzImage(payload(kernel)), "no ELF file");
    }

    @Test
    void a_payload_of_another_size_than_announced_is_refused() throws IOException {
        var payload = payload(elf());
        payload[payload.length - 1]++;

        assertRefused(bzImage(payload), "size it announces");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 8, 1 << 20, Integer.MAX_VALUE})
    void a_payload_that_is_cut_off_is_refused(int length) throws IOException {
        var image = bzImage(payload(elf()));
        ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN).putInt(0x24c, length);

        assertThatThrownBy(() -> extract(image)).isInstanceOf(VmmFailed.class);
        assertThat(folder.resolve("vmlinux")).doesNotExist();
    }
}
