package dev.wrenn.snapshot;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/**
 * Layout of a layer: an immutable pile of guest pages (docs/snapshot-format.md).
 *
 * <pre>
 *  0        header: magic "WRLAYER1", then zeroes           4096 bytes
 *  4096     pages, packed in ascending guest order          4096 bytes each
 *  ...      CRC32C of each frame of 16 pages, the last one may be shorter   4 bytes each
 * </pre>
 *
 * The manifest records the number of pages and the CRC32C over the table, so every byte of the file
 * is covered by one checksum or another. Little endian.
 */
final class LayerFile {
    static final int HEADER_BYTES = 4096;
    static final int FRAME_PAGES = 16;
    static final int FRAME_BYTES = FRAME_PAGES * PageSource.PAGE_BYTES;
    private static final long MAGIC = 0x3152_4559_414c_5257L; // "WRLAYER1", little endian

    private LayerFile() {}

    static byte[] header() {
        return ByteBuffer.allocate(HEADER_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(MAGIC)
                .array();
    }

    static int frames(int pages) {
        return (pages + FRAME_PAGES - 1) / FRAME_PAGES;
    }

    static long tableOffset(int pages) {
        return HEADER_BYTES + (long) pages * PageSource.PAGE_BYTES;
    }

    static long fileBytes(int pages) {
        return tableOffset(pages) + 4L * frames(pages);
    }

    static int crc(ByteBuffer bytes) {
        var crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }
}
