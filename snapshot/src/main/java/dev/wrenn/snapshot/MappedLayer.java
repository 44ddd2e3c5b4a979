package dev.wrenn.snapshot;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * A layer file mapped into memory. It stays readable after the file was unlinked. Each frame is
 * checked against its checksum before a page of it is used, once. Thread-safe; lives as long as its
 * arena.
 */
final class MappedLayer {
    private static final ValueLayout.OfInt LITTLE_ENDIAN_INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final String name;
    private final MemorySegment bytes;
    private final MemorySegment table;
    private final AtomicLongArray verified; // a bit per frame; set twice at worst, never wrongly

    private MappedLayer(String name, int pages, MemorySegment file) {
        this.name = name;
        long end = LayerFile.tableOffset(pages);
        this.bytes = file.asSlice(LayerFile.HEADER_BYTES, end - LayerFile.HEADER_BYTES);
        this.table = file.asSlice(end);
        this.verified = new AtomicLongArray(LayerFile.frames(pages) / Long.SIZE + 1);
    }

    /**
     * Maps a layer.
     *
     * @throws SnapshotCorrupt if the file is missing, has another size, or its header or checksum
     *     table is not what was sealed; a layer that was touched since it was sealed is read whole
     */
    static MappedLayer open(Manifest.LayerEntry entry, Path folder, Arena arena) {
        var file = folder.resolve(SnapshotFiles.layerFile(entry.layer()));
        var identity = FileIdentity.of(file);
        if (identity.bytes() != LayerFile.fileBytes(entry.pages())) {
            throw new SnapshotCorrupt(
                    entry.layer(),
                    "has %d bytes instead of %d"
                            .formatted(identity.bytes(), LayerFile.fileBytes(entry.pages())));
        }
        MemorySegment mapped;
        try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
            mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, identity.bytes(), arena);
        } catch (IOException e) {
            throw new SnapshotCorrupt(entry.layer(), "cannot be read", e);
        }
        var layer = new MappedLayer(entry.layer(), entry.pages(), mapped);
        if (LayerFile.crc(layer.table.asByteBuffer()) != entry.tableCrc()) {
            throw new SnapshotCorrupt(entry.layer(), "has a damaged checksum table");
        }
        var header = mapped.asSlice(0, LayerFile.HEADER_BYTES);
        if (header.mismatch(MemorySegment.ofArray(LayerFile.header())) != -1) {
            throw new SnapshotCorrupt(entry.layer(), "is no layer");
        }
        if (!identity.equals(entry.identity()) && entry.pages() > 0) {
            layer.verify(0, entry.pages()); // touched, or put back from a copy: trust nothing
        }
        return layer;
    }

    /**
     * Checks the frames that hold these pages, unless they were checked before.
     *
     * @throws SnapshotCorrupt if a frame does not match its checksum
     */
    void verify(int firstPage, int count) {
        int last = (firstPage + count - 1) / LayerFile.FRAME_PAGES;
        for (int frame = firstPage / LayerFile.FRAME_PAGES; frame <= last; frame++) {
            long bit = 1L << frame;
            int word = frame / Long.SIZE;
            if ((verified.getPlain(word) & bit) == 0) {
                check(frame);
                verified.accumulateAndGet(word, bit, (a, b) -> a | b);
            }
        }
    }

    private void check(int frame) {
        long start = (long) frame * LayerFile.FRAME_BYTES;
        long length = Math.min(LayerFile.FRAME_BYTES, bytes.byteSize() - start);
        int expected = table.get(LITTLE_ENDIAN_INT, 4L * frame);
        if (LayerFile.crc(bytes.asSlice(start, length).asByteBuffer()) != expected) {
            throw new SnapshotCorrupt(name, "does not match its checksum in frame " + frame);
        }
    }

    /** Pages whose frames were verified before. */
    MemorySegment slice(int page, int count) {
        return bytes.asSlice(
                (long) page * PageSource.PAGE_BYTES, (long) count * PageSource.PAGE_BYTES);
    }
}
