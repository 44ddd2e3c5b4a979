package dev.wrenn.snapshot;

import dev.wrenn.linux.FileExtents;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.zip.CRC32C;

/**
 * The CRC32C of each 64 KiB chunk of a sealed disk (docs/snapshot-format.md).
 *
 * <p>Computed after the pause has answered, because a disk is large and a pause is short. From then
 * on {@link StoreAudit} and every upload find a changed byte, even behind an unchanged modification
 * time. Immutable.
 */
final class DiskSums {
    static final int CHUNK_BYTES = 64 << 10;
    private static final long MAGIC = 0x3130_4d55_534b_5344L; // "DSKSUM01", little endian
    private static final int HEADER_BYTES = 32;
    private static final int CRC_BYTES = 4;
    private static final int ZERO_CHUNK = LayerFile.crc(ByteBuffer.allocate(CHUNK_BYTES));

    private final long diskBytes;
    private final long modifiedNanos;
    private final int[] sums;

    private DiskSums(long diskBytes, long modifiedNanos, int[] sums) {
        this.diskBytes = diskBytes;
        this.modifiedNanos = modifiedNanos;
        this.sums = sums;
    }

    /** A disk whose sums are known. */
    record Known(Path disk, DiskSums sums) {}

    /**
     * Reads a disk; what it shares with a known one is not read again, holes are not read at all.
     *
     * @param disk sealed: nobody writes it
     */
    static DiskSums of(Path disk, Optional<Known> relative) {
        var identity = FileIdentity.of(disk);
        var sums = new int[chunks(identity.bytes())];
        var extents = FileExtents.of(disk);
        var related = relative.filter(k -> k.sums().diskBytes == identity.bytes());
        var theirs = related.flatMap(k -> FileExtents.of(k.disk()));
        try (var reader = new ChunkReader(disk, identity.bytes())) {
            for (int i = 0; i < sums.length; i++) {
                long from = (long) i * CHUNK_BYTES;
                long to = Math.min(from + CHUNK_BYTES, identity.bytes());
                if (to - from == CHUNK_BYTES
                        && extents.filter(e -> e.isHole(from, to)).isPresent()) {
                    sums[i] = ZERO_CHUNK;
                } else if (theirs.isPresent()
                        && extents.filter(e -> e.isSharedWith(theirs.get(), from, to))
                                .isPresent()) {
                    sums[i] = related.orElseThrow().sums().sums[i];
                } else {
                    sums[i] = LayerFile.crc(reader.read(i));
                }
            }
        }
        return new DiskSums(identity.bytes(), identity.modifiedNanos(), sums);
    }

    static int chunks(long diskBytes) {
        return Math.toIntExact((diskBytes + CHUNK_BYTES - 1) / CHUNK_BYTES);
    }

    /** Reads chunks of a file into one buffer. Used by one thread. */
    static final class ChunkReader implements dev.wrenn.base.Resource {
        private final FileChannel channel;
        private final String name;
        private final long fileBytes;
        private final ByteBuffer buffer = ByteBuffer.allocateDirect(CHUNK_BYTES);

        ChunkReader(Path file, long fileBytes) {
            this.name = SnapshotFiles.name(file);
            this.fileBytes = fileBytes;
            try {
                this.channel = FileChannel.open(file, StandardOpenOption.READ);
            } catch (IOException e) {
                throw new SnapshotCorrupt(name, "cannot be read", e);
            }
        }

        /** The bytes of a chunk, valid until the next call; the last one may be shorter. */
        ByteBuffer read(int chunk) {
            long from = (long) chunk * CHUNK_BYTES;
            buffer.clear().limit((int) Math.min(CHUNK_BYTES, fileBytes - from));
            try {
                while (buffer.hasRemaining()) {
                    if (channel.read(buffer, from + buffer.position()) < 0) {
                        throw new SnapshotCorrupt(name, "is shorter than it was");
                    }
                }
            } catch (IOException e) {
                throw new SnapshotCorrupt(name, "cannot be read at byte " + from, e);
            }
            return buffer.flip();
        }

        @Override
        public void close() {
            try {
                channel.close();
            } catch (IOException e) {
                throw new StoreFailed("close " + name, e);
            }
        }
    }

    /** The same sums for a copy of the disk. */
    DiskSums at(FileIdentity copy) {
        return new DiskSums(diskBytes, copy.modifiedNanos(), sums);
    }

    int count() {
        return sums.length;
    }

    int sum(int chunk) {
        return sums[chunk];
    }

    long diskBytes() {
        return diskBytes;
    }

    /** Whether that chunk was all zero. */
    boolean isZero(int chunk) {
        return sums[chunk] == ZERO_CHUNK && (chunk + 1L) * CHUNK_BYTES <= diskBytes;
    }

    byte[] encode() {
        var buffer =
                ByteBuffer.allocate(HEADER_BYTES + 4 * sums.length + CRC_BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(MAGIC)
                        .putLong(diskBytes)
                        .putLong(modifiedNanos)
                        .putInt(CHUNK_BYTES)
                        .putInt(sums.length);
        for (int sum : sums) {
            buffer.putInt(sum);
        }
        var crc = new CRC32C();
        crc.update(buffer.array(), 0, buffer.position());
        return buffer.putInt((int) crc.getValue()).array();
    }

    /**
     * Reads the sums of a disk.
     *
     * @throws SnapshotCorrupt if they are damaged or of another disk
     */
    static DiskSums decode(byte[] bytes, Manifest.DiskEntry disk) {
        var file = SnapshotFiles.DISK_SUMS;
        if (bytes.length != HEADER_BYTES + 4 * chunks(disk.bytes()) + CRC_BYTES) {
            throw new SnapshotCorrupt(file, "has a wrong size");
        }
        var crc = new CRC32C();
        crc.update(bytes, 0, bytes.length - CRC_BYTES);
        var buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        if ((int) crc.getValue() != buffer.getInt(bytes.length - CRC_BYTES)) {
            throw new SnapshotCorrupt(file, "does not match its checksum");
        }
        boolean isOurs =
                buffer.getLong() == MAGIC
                        && buffer.getLong() == disk.bytes()
                        && buffer.getLong() == disk.modifiedNanos()
                        && buffer.getInt() == CHUNK_BYTES;
        var sums = new int[buffer.getInt()];
        if (!isOurs || sums.length != chunks(disk.bytes())) {
            throw new SnapshotCorrupt(file, "belongs to another disk");
        }
        for (int i = 0; i < sums.length; i++) {
            sums[i] = buffer.getInt();
        }
        return new DiskSums(disk.bytes(), disk.modifiedNanos(), sums);
    }
}
