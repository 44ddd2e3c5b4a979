package dev.wrenn.snapshot;

import dev.wrenn.base.Resource;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * A layer file mapped into memory. It stays readable after the file was unlinked. Each frame is
 * checked against its checksum before a page of it is used, once. A partial layer fetches frames
 * that do not match, which is what holes do. Thread-safe; lives as long as its arena.
 */
final class MappedLayer implements Resource {
    private static final ValueLayout.OfInt LITTLE_ENDIAN_INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final int MOST_FRAMES = 16; // of a request: 1 MiB
    private static final int FETCHES = 3; // others may be fetching the same, and fail

    private final String name;
    private final MemorySegment bytes;
    private final MemorySegment table;
    private final AtomicLongArray verified; // a bit per frame; set twice at worst, never wrongly

    private final Optional<LayerFetch> fetch;

    private MappedLayer(String name, int pages, MemorySegment file, Optional<LayerFetch> fetch) {
        this.name = name;
        this.fetch = fetch;
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
    static MappedLayer open(Manifest.LayerEntry entry, Path file, Arena arena) {
        var layer = map(entry, file, arena, Optional.empty());
        if (!FileIdentity.of(file).equals(entry.identity()) && entry.pages() > 0) {
            layer.verify(0, entry.pages()); // touched, or put back from a copy: trust nothing
        }
        return layer;
    }

    /**
     * Maps a layer that is fetched frame by frame.
     *
     * @param fetch closed with the layer
     */
    static MappedLayer openPartial(
            Manifest.LayerEntry entry, Path file, Arena arena, LayerFetch fetch) {
        try {
            return map(entry, file, arena, Optional.of(fetch));
        } catch (RuntimeException e) {
            fetch.close();
            throw e;
        }
    }

    /**
     * Checks what must be here of a layer whose pages an archive has.
     *
     * @throws SnapshotCorrupt if size, header or checksum table are not what was sealed
     */
    static void checkPartial(Manifest.LayerEntry entry, Path file) {
        try (var arena = Arena.ofConfined()) {
            var _ = map(entry, file, arena, Optional.empty());
        }
    }

    private static MappedLayer map(
            Manifest.LayerEntry entry, Path file, Arena arena, Optional<LayerFetch> fetch) {
        var name = SnapshotFiles.name(file);
        long bytes = FileIdentity.of(file).bytes();
        if (bytes != LayerFile.fileBytes(entry.pages())) {
            throw new SnapshotCorrupt(
                    name,
                    "has %d bytes instead of %d"
                            .formatted(bytes, LayerFile.fileBytes(entry.pages())));
        }
        MemorySegment mapped;
        try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
            mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, bytes, arena);
        } catch (IOException e) {
            throw new SnapshotCorrupt(name, "cannot be read", e);
        }
        var layer = new MappedLayer(name, entry.pages(), mapped, fetch);
        if (LayerFile.crc(layer.table.asByteBuffer()) != entry.tableCrc()) {
            throw new SnapshotCorrupt(name, "has a damaged checksum table");
        }
        var header = mapped.asSlice(0, LayerFile.HEADER_BYTES);
        if (header.mismatch(MemorySegment.ofArray(LayerFile.header())) != -1) {
            throw new SnapshotCorrupt(name, "is no layer");
        }
        return layer;
    }

    /** Whether some of it may have to be fetched. */
    boolean isPartial() {
        return fetch.isPresent();
    }

    /**
     * Checks the frames that hold these pages, unless they were checked before.
     *
     * @throws SnapshotCorrupt if a frame does not match its checksum
     */
    void verify(int firstPage, int count) {
        int last = (firstPage + count - 1) / LayerFile.FRAME_PAGES;
        for (int frame = firstPage / LayerFile.FRAME_PAGES; frame <= last; frame++) {
            if (!isVerified(frame)) {
                if (!matches(frame)) {
                    fetchFrom(frame, last);
                }
                long bit = 1L << frame;
                verified.accumulateAndGet(frame / Long.SIZE, bit, (a, b) -> a | b);
            }
        }
    }

    /** Checks these frames, which exist. */
    void verifyFrames(int first, int count) {
        int pages = (int) (bytes.byteSize() / PageSource.PAGE_BYTES);
        int from = first * LayerFile.FRAME_PAGES;
        verify(from, Math.min(count * LayerFile.FRAME_PAGES, pages - from));
    }

    private boolean isVerified(int frame) {
        return (verified.getPlain(frame / Long.SIZE) & (1L << frame)) != 0;
    }

    /** Makes a frame match, and those behind it that do not either, in one request. */
    private void fetchFrom(int frame, int last) {
        var source =
                fetch.orElseThrow(() ->
                        new SnapshotCorrupt(name, "does not match its checksum in frame " + frame));
        for (int attempt = 0; attempt < FETCHES && !matches(frame); attempt++) {
            int end = frame;
            while (end < last && end - frame < MOST_FRAMES - 1 && !matches(end + 1)) {
                end++;
            }
            source.fetch(frame, end);
        }
        if (!matches(frame)) {
            throw new SnapshotCorrupt(
                    name, "does not match its checksum in frame " + frame + ", though fetched");
        }
    }

    private boolean matches(int frame) {
        long start = (long) frame * LayerFile.FRAME_BYTES;
        long length = Math.min(LayerFile.FRAME_BYTES, bytes.byteSize() - start);
        int expected = table.get(LITTLE_ENDIAN_INT, 4L * frame);
        return LayerFile.crc(bytes.asSlice(start, length).asByteBuffer()) == expected;
    }

    /** The checksum table as it lies in the file. */
    byte[] table() {
        return table.toArray(ValueLayout.JAVA_BYTE);
    }

    /** Pages whose frames were verified before. */
    MemorySegment slice(int page, int count) {
        return bytes.asSlice(
                (long) page * PageSource.PAGE_BYTES, (long) count * PageSource.PAGE_BYTES);
    }

    /** Ends fetching; what is mapped stays mapped until the arena closes. */
    @Override
    public void close() {
        fetch.ifPresent(LayerFetch::close);
    }
}
