package dev.wrenn.snapshot;

import dev.wrenn.linux.FileExtents;
import dev.wrenn.snapshot.PackedDisk.PackedPart;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Stores one sealed snapshot in an archive: its layers, what of its disk no archived disk has, and
 * last the entry that makes it exist there. Every byte is checked as it is read. Killed anywhere
 * and begun again it goes on with what the archive does not have yet.
 */
final class ArchiveUpload {
    /** A disk that lies in more packs than this gives up the smaller ones. */
    private static final int MOST_PACKS = 16;

    private static final int KEPT_PACKS = 4;

    private final Archive archive;
    private final SnapshotStore store;
    private final Snapshot snapshot;
    private final TeamKey key;
    private final Path temporary;

    ArchiveUpload(Archive archive, SnapshotStore store, SnapshotId id) {
        this.archive = archive;
        this.store = store;
        this.snapshot = store.openLocal(id);
        this.key = archive.key(Team.of(snapshot.manifest()));
        this.temporary = store.layers().path().resolve(temporaryName(id) + ".tmp");
    }

    private static String temporaryName(SnapshotId id) {
        return id.text().replace("snap-", "upload-");
    }

    void run() {
        store.pins().pin(this, List.of(temporaryName(snapshot.id())));
        try {
            var memory = store.pinnedMemory(this, snapshot);
            var layers = new ArrayList<PackedLayer>();
            for (var layer : memory.manifest().layers()) {
                layers.add(packed(layer));
            }
            var disk = packedDisk();
            var entry =
                    new ArchiveEntry(
                            ArchiveEntry.VERSION,
                            new String(
                                    ManifestFile.encode(memory.manifest()), StandardCharsets.UTF_8),
                            ArchiveEntry.text(memory.map().encode()),
                            ArchiveEntry.text(Files.readAllBytes(snapshot.vmState())),
                            ArchiveEntry.text(snapshot.workingSet().encode()),
                            layers,
                            disk);
            archive.publish(snapshot.id(), entry, key);
            SnapshotFiles.replace(snapshot.file(SnapshotFiles.ARCHIVED), CheckedJson.encode(disk));
        } catch (IOException e) {
            throw new StoreFailed("read a snapshot", e);
        } finally {
            store.pins().release(this);
        }
    }

    private PackedLayer packed(Manifest.LayerEntry layer) {
        var known = store.layers().packed(layer.layer());
        if (known.isPresent() && archive.has(known.get().toPack(), known.get().team())) {
            return known.get();
        }
        try (var arena = Arena.ofConfined();
                var mapped = store.layers().open(layer, arena)) {
            long bytes = (long) layer.pages() * PageSource.PAGE_BYTES;
            var pack =
                    new PackWriter(archive, key, temporary)
                            .store(bytes, frame -> frame(mapped, layer.pages(), frame));
            var packed = PackedLayer.of(layer.layer(), key.team(), pack, mapped.table());
            store.layers().remember(packed);
            return packed;
        }
    }

    private static byte[] frame(MappedLayer layer, int pages, int frame) {
        int first = frame * LayerFile.FRAME_PAGES;
        int count = Math.min(LayerFile.FRAME_PAGES, pages - first);
        layer.verify(first, count);
        return layer.slice(first, count).toArray(ValueLayout.JAVA_BYTE);
    }

    private PackedDisk packedDisk() {
        var sums = new DiskSummation(store).of(snapshot);
        var relative = new ArchivedDisks(store).relativeOf(snapshot);
        var packs = new ArrayList<PackedPart>();
        var runs = new ArrayList<PageMap.Run>();
        var changed = new ArrayList<Integer>();
        try (var reader = new DiskSums.ChunkReader(snapshot.disk(), sums.diskBytes());
                var comparison = new Comparison(sums, relative)) {
            for (int chunk = 0; chunk < sums.count(); chunk++) {
                if (sums.isZero(chunk)) {
                    continue; // zero is what no pack holds
                }
                var place = comparison.placeOfSame(chunk, reader);
                if (place.isPresent()) {
                    var part = place.get().part();
                    int index = packs.indexOf(part);
                    if (index < 0) {
                        index = packs.size();
                        packs.add(part);
                    }
                    runs.add(new PageMap.Run(chunk, 1, index, place.get().frame()));
                } else {
                    changed.add(chunk);
                }
            }
            if (!changed.isEmpty()) {
                var pack = storeChunks(sums, changed, reader);
                for (int i = 0; i < changed.size(); i++) {
                    runs.add(new PageMap.Run(changed.get(i), 1, packs.size(), i));
                }
                packs.add(PackedPart.of(key.team(), pack));
            }
        }
        return PackedDisk.of(sums, packs, PageMap.zero(sums.count()).overlay(runs));
    }

    private Pack storeChunks(DiskSums sums, List<Integer> chunks, DiskSums.ChunkReader reader) {
        int last = chunks.getLast();
        long lastBytes =
                Math.min(
                        DiskSums.CHUNK_BYTES,
                        sums.diskBytes() - (long) last * DiskSums.CHUNK_BYTES);
        long bytes = (chunks.size() - 1L) * DiskSums.CHUNK_BYTES + lastBytes;
        return new PackWriter(archive, key, temporary)
                .store(bytes, i -> checked(sums, chunks.get(i), reader));
    }

    private static byte[] checked(DiskSums sums, int chunk, DiskSums.ChunkReader reader) {
        var bytes = reader.read(chunk);
        if (LayerFile.crc(bytes.duplicate()) != sums.sum(chunk)) {
            throw new SnapshotCorrupt(
                    SnapshotFiles.DISK, "does not match its checksum in chunk " + chunk);
        }
        var content = new byte[bytes.remaining()];
        bytes.get(content);
        return content;
    }

    /** A frame of a pack. */
    private record Place(PackedPart part, int frame) {}

    /** Finds what an archived disk has in common with this one. */
    private final class Comparison implements dev.wrenn.base.Resource {
        private final DiskSums sums;
        private final Optional<ArchivedDisks.Both> other;
        private final Optional<DiskSums> otherSums;
        private final Optional<PageMap> otherMap;
        private final Optional<FileExtents> extents;
        private final Optional<FileExtents> otherExtents;
        private final Optional<DiskSums.ChunkReader> otherReader;
        private final Set<PackedPart> kept;

        Comparison(DiskSums sums, Optional<ArchivedDisks.Both> other) {
            this.sums = sums;
            this.other = other;
            this.otherSums = other.flatMap(o -> o.snapshot().diskSums());
            this.otherMap = other.map(o -> o.packed().chunks());
            this.extents = other.flatMap(_ -> FileExtents.of(snapshot.disk()));
            this.otherExtents = other.flatMap(o -> FileExtents.of(o.snapshot().disk()));
            this.otherReader =
                    other.map(o -> new DiskSums.ChunkReader(o.snapshot().disk(), sums.diskBytes()));
            this.kept = other.map(Comparison::worthKeeping).orElse(Set.of());
        }

        private static Set<PackedPart> worthKeeping(ArchivedDisks.Both other) {
            var packs = other.packed().packs();
            if (packs.size() < MOST_PACKS) {
                return new HashSet<>(packs);
            }
            return new HashSet<>(
                    packs.stream()
                            .sorted(Comparator.comparingLong(PackedPart::bytes).reversed())
                            .limit(KEPT_PACKS)
                            .toList());
        }

        /** Where the archive has a chunk with the same content, if the other disk's is that. */
        Optional<Place> placeOfSame(int chunk, DiskSums.ChunkReader reader) {
            if (other.isEmpty() || otherSums.isEmpty() || otherMap.isEmpty()) {
                return Optional.empty();
            }
            int index = otherMap.get().find(chunk);
            if (index < 0 || otherSums.get().sum(chunk) != sums.sum(chunk)) {
                return Optional.empty();
            }
            var run = otherMap.get().runs().get(index);
            var part = other.get().packed().packs().get(run.layer());
            if (!kept.contains(part) || !isSame(chunk, reader)) {
                return Optional.empty();
            }
            return Optional.of(new Place(part, run.layerPage() + chunk - run.page()));
        }

        private boolean isSame(int chunk, DiskSums.ChunkReader reader) {
            long from = (long) chunk * DiskSums.CHUNK_BYTES;
            long to = Math.min(from + DiskSums.CHUNK_BYTES, sums.diskBytes());
            if (extents.isPresent()
                    && otherExtents.isPresent()
                    && extents.get().isSharedWith(otherExtents.get(), from, to)) {
                return true;
            }
            ByteBuffer mine = reader.read(chunk);
            return otherReader.map(o -> o.read(chunk).equals(mine)).orElse(false);
        }

        @Override
        public void close() {
            otherReader.ifPresent(DiskSums.ChunkReader::close);
        }
    }
}
