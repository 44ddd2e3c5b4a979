package dev.wrenn.vmm.firecracker;

import dev.wrenn.base.Kind;
import dev.wrenn.vmm.LastWords;
import dev.wrenn.vmm.VmmFailed;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import org.apache.commons.compress.compressors.lz4.BlockLZ4CompressorInputStream;

/**
 * Takes the kernel proper, an ELF file, out of a bzImage: the format that Firecracker boots.
 *
 * <p>The header says where the payload lies (Linux Documentation/arch/x86/boot.rst, {@code
 * payload_offset}). Debian compresses it in the legacy format of LZ4: a magic number, then blocks
 * with their sizes (lz4 doc/lz4_Frame_format.md), and at the end the size of it all, which is the
 * kernel's own addition (scripts/Makefile.lib, {@code size_append}).
 */
final class Vmlinux {
    private static final int SETUP_SECTORS_AT = 0x1f1;
    private static final int MAGIC_AT = 0x202;
    private static final int VERSION_AT = 0x206;
    private static final int PAYLOAD_OFFSET_AT = 0x248;
    private static final int PAYLOAD_LENGTH_AT = 0x24c;
    private static final int HEADER_BYTES = 0x250;
    private static final int SECTOR_BYTES = 512;
    private static final int MAGIC = 0x53726448; // "HdrS"
    private static final int FIRST_VERSION_WITH_PAYLOAD = 0x208;
    private static final int LZ4_LEGACY = 0x184C2102;
    private static final int BLOCK_BYTES = 8 << 20; // of a legacy block, uncompressed
    private static final int SIZE_BYTES = 4;
    private static final int ELF = 0x464C457F;

    private Vmlinux() {}

    /**
     * Writes the ELF file to a new file; one that is an ELF file already is copied.
     *
     * @throws VmmFailed invalid, if it is neither
     */
    static void extract(Path kernel, Path to) {
        try {
            var image = ByteBuffer.wrap(Files.readAllBytes(kernel)).order(ByteOrder.LITTLE_ENDIAN);
            if (image.capacity() > SIZE_BYTES && image.getInt(0) == ELF) {
                Files.write(to, image.array(), StandardOpenOption.CREATE_NEW);
                return;
            }
            var payload = payload(image);
            try (var output = Files.newOutputStream(to, StandardOpenOption.CREATE_NEW)) {
                long size = decompress(payload, output);
                if (size != Integer.toUnsignedLong(payload.getInt(payload.limit() - SIZE_BYTES))) {
                    throw refused("its payload does not have the size it announces");
                }
            } catch (IOException | RuntimeException e) {
                Files.deleteIfExists(to);
                throw e;
            }
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "taking the kernel out of its image", e);
        }
    }

    private static ByteBuffer payload(ByteBuffer image) {
        if (image.capacity() < HEADER_BYTES
                || image.getInt(MAGIC_AT) != MAGIC
                || Short.toUnsignedInt(image.getShort(VERSION_AT)) < FIRST_VERSION_WITH_PAYLOAD) {
            throw refused("it is neither an ELF file nor a bzImage of Linux 2.6.24 or newer");
        }
        long start =
                (Byte.toUnsignedLong(image.get(SETUP_SECTORS_AT)) + 1) * SECTOR_BYTES
                        + Integer.toUnsignedLong(image.getInt(PAYLOAD_OFFSET_AT));
        long length = Integer.toUnsignedLong(image.getInt(PAYLOAD_LENGTH_AT));
        if (length < 2 * SIZE_BYTES || start + length > image.capacity()) {
            throw refused("its payload lies outside of the file");
        }
        var payload =
                image.slice((int) start, (int) length).order(ByteOrder.LITTLE_ENDIAN).duplicate();
        payload.order(ByteOrder.LITTLE_ENDIAN);
        if (payload.getInt(0) != LZ4_LEGACY) {
            throw refused("its payload is not compressed with LZ4 (CONFIG_KERNEL_LZ4)");
        }
        return payload;
    }

    private static long decompress(ByteBuffer payload, OutputStream output) throws IOException {
        long total = 0;
        payload.position(SIZE_BYTES);
        int end = payload.limit() - SIZE_BYTES;
        while (payload.position() < end) {
            long length = Integer.toUnsignedLong(payload.getInt());
            if (length > end - payload.position()) {
                throw refused("its payload ends within a block");
            }
            var block = new byte[(int) length];
            payload.get(block);
            try (var input = new BlockLZ4CompressorInputStream(new ByteArrayInputStream(block))) {
                var bytes = input.readNBytes(BLOCK_BYTES + 1);
                if (bytes.length > BLOCK_BYTES) {
                    throw refused("a block of its payload is too large");
                }
                if (total == 0 && !isElf(bytes)) {
                    throw refused("its payload is no ELF file");
                }
                output.write(bytes);
                total += bytes.length;
            }
        }
        return total;
    }

    private static boolean isElf(byte[] bytes) {
        return bytes.length > SIZE_BYTES
                && ByteBuffer.wrap(Arrays.copyOf(bytes, SIZE_BYTES))
                                .order(ByteOrder.LITTLE_ENDIAN)
                                .getInt()
                        == ELF;
    }

    private static VmmFailed refused(String why) {
        return new VmmFailed(
                Kind.INVALID, "Firecracker cannot boot the kernel image", new LastWords(why));
    }
}
