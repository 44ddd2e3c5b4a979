package dev.wrenn.snapshot;

import dev.wrenn.base.Resource;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Guest memory of a snapshot: its page map over mapped layers. Each frame of a layer is checked
 * against its checksum the first time one of its pages is asked for.
 *
 * <p>Thread-safe. The segments it hands out die with {@link #close()}, so whoever serves from it
 * stops first.
 */
public final class MemoryImage implements PageSource, Resource {
    private final PageMap map;
    private final List<Layer> layers;
    private final Arena arena;

    private MemoryImage(PageMap map, List<Layer> layers, Arena arena) {
        this.map = map;
        this.layers = layers;
        this.arena = arena;
    }

    /** A mapped layer. */
    private static final class Layer {
        final String name;
        final MemorySegment bytes;
        final MemorySegment table;
        final AtomicLongArray verified; // a bit per frame; set twice at worst, never wrongly

        Layer(String name, int pages, MemorySegment file) {
            this.name = name;
            long table = LayerFile.tableOffset(pages);
            this.bytes = file.asSlice(LayerFile.HEADER_BYTES, table - LayerFile.HEADER_BYTES);
            this.table = file.asSlice(table);
            this.verified = new AtomicLongArray(LayerFile.frames(pages) / Long.SIZE + 1);
        }

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

        MemorySegment slice(int page, int count) {
            return bytes.asSlice((long) page * PAGE_BYTES, (long) count * PAGE_BYTES);
        }
    }

    private static final java.lang.foreign.ValueLayout.OfInt LITTLE_ENDIAN_INT =
            java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED.withOrder(
                    java.nio.ByteOrder.LITTLE_ENDIAN);

    /**
     * Maps the layers of a manifest.
     *
     * @throws SnapshotCorrupt if a file is missing, has another size, or a checksum table is not
     *     what was sealed; a layer that was touched since it was sealed is read whole
     */
    @SuppressWarnings("MustBeClosedChecker") // the arena is the image's, which closes it
    static MemoryImage open(Manifest manifest, Path mapFile, Path layerFolder) {
        var arena = Arena.ofShared();
        try {
            var layers = new ArrayList<Layer>();
            for (var entry : manifest.layers()) {
                layers.add(openLayer(entry, layerFolder, arena));
            }
            var map =
                    PageMap.decode(
                            SnapshotFiles.read(mapFile, manifest.mapBytes()),
                            manifest.pageCount(),
                            manifest.layers().stream()
                                    .mapToInt(Manifest.LayerEntry::pages)
                                    .toArray());
            return new MemoryImage(map, layers, arena);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    private static Layer openLayer(Manifest.LayerEntry entry, Path folder, Arena arena) {
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
        var layer = new Layer(entry.layer(), entry.pages(), mapped);
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

    @Override
    public long pageCount() {
        return map.pageCount();
    }

    @Override
    public Run run(long page, int maxPages) {
        int first = Math.toIntExact(page);
        int index = map.find(first);
        if (index < 0) {
            long end = Math.min(map.startOf(-index - 1), page + maxPages);
            return new Run.Zero((int) (end - page));
        }
        var found = map.runs().get(index);
        int skipped = first - found.page();
        int count = Math.min(maxPages, found.pages() - skipped);
        var layer = layers.get(found.layer());
        layer.verify(found.layerPage() + skipped, count);
        return new Run.Stored(count, layer.slice(found.layerPage() + skipped, count));
    }

    PageMap map() {
        return map;
    }

    /** Unmaps everything. */
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
