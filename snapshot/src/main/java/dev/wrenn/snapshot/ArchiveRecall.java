package dev.wrenn.snapshot;

import dev.wrenn.base.Resource;
import dev.wrenn.linux.FileSync;
import dev.wrenn.linux.Reflink;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Brings one snapshot back from an archive: everything small and the disk at once, of the memory
 * only room for it. The layers are fetched frame by frame when they are read ({@link LayerFetch}).
 */
final class ArchiveRecall {
    private static final int MOST_FRAMES = 32; // of a request: 2 MiB

    private final Archive archive;
    private final SnapshotStore store;
    private final SnapshotId id;
    private final ArchiveEntry entry;

    /**
     * @throws SnapshotAbsent if the archive does not have it
     * @throws SnapshotCorrupt if what it has is damaged
     */
    ArchiveRecall(Archive archive, SnapshotStore store, SnapshotId id) {
        this.archive = archive;
        this.store = store;
        this.id = id;
        this.entry = archive.entry(id).orElseThrow(() -> new SnapshotAbsent(id));
    }

    /** Makes the snapshot in a folder of its own, complete but for its layers' pages. */
    void into(Path folder) {
        var manifest = ManifestFile.decode(id, entry.manifest());
        prepareLayers(manifest);
        write(folder, SnapshotFiles.VM_STATE, ArchiveEntry.bytes(entry.vmState()));
        write(folder, manifest.map(), ArchiveEntry.bytes(entry.map()));
        write(folder, SnapshotFiles.WORKING_SET, ArchiveEntry.bytes(entry.workingSet()));
        var disk = folder.resolve(SnapshotFiles.DISK);
        makeDisk(disk);
        FileSync.file(disk);
        var identity = FileIdentity.of(disk);
        var recalled = manifest.copiedTo(id, identity);
        write(folder, SnapshotFiles.DISK_SUMS, sums(manifest).at(identity).encode());
        write(folder, SnapshotFiles.ARCHIVED, CheckedJson.encode(entry.disk()));
        write(folder, SnapshotFiles.MANIFEST, ManifestFile.encode(recalled));
        FileSync.folder(folder);
    }

    private static void write(Path folder, String name, byte[] content) {
        SnapshotFiles.writeSynced(folder.resolve(name), content);
    }

    private DiskSums sums(Manifest manifest) {
        return DiskSums.decode(ArchiveEntry.bytes(entry.disk().sums()), manifest.disk());
    }

    private void prepareLayers(Manifest manifest) {
        var names = manifest.layers().stream().map(Manifest.LayerEntry::layer).toList();
        if (!names.equals(entry.layers().stream().map(PackedLayer::layer).toList())) {
            throw new SnapshotCorrupt("archived " + id, "does not say where its layers are");
        }
        for (int i = 0; i < names.size(); i++) {
            var packed = entry.layers().get(i);
            var layer = manifest.layers().get(i);
            var table = packed.table();
            if (LayerFile.crc(ByteBuffer.wrap(table)) != layer.tableCrc()
                    || packed.bytes() != (long) layer.pages() * PageSource.PAGE_BYTES) {
                throw new SnapshotCorrupt("archived " + id, "has a damaged checksum table");
            }
            if (!store.layers().isThere(packed.layer())) {
                makeRoom(packed, layer.pages(), table);
            }
        }
        FileSync.folder(store.layers().path());
    }

    /** A sparse file: frames that were not fetched yet are holes, which match no checksum. */
    private void makeRoom(PackedLayer packed, int pages, byte[] table) {
        store.layers().remember(packed);
        var partial = store.layers().partial(packed.layer());
        var aside = partial.resolveSibling(packed.layer() + ".new");
        try (var channel =
                FileChannel.open(
                        aside,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING,
                        StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(LayerFile.header()), 0);
            channel.write(ByteBuffer.wrap(table), LayerFile.tableOffset(pages));
            channel.force(true);
        } catch (IOException e) {
            throw new StoreFailed("make room for a layer", e);
        }
        FileSync.rename(aside, partial);
    }

    /** Neighbouring chunks of the disk that are neighbouring frames of a pack. */
    private record Piece(int chunk, int pack, int frame, int count) {}

    private void makeDisk(Path disk) {
        var relative = new ArchivedDisks(store).closestTo(entry.disk());
        var wanted = ArchivedDisks.places(entry.disk());
        List<String> have = List.of();
        try {
            if (relative.isPresent() && Reflink.clone(relative.get().snapshot().disk(), disk)) {
                have = ArchivedDisks.places(relative.get().packed());
            }
            try (var target =
                    FileChannel.open(disk, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
                if (have.isEmpty()) {
                    setLength(target, entry.disk().bytes());
                }
                eraseWhatBecameZero(target, wanted, have);
                SideBySide.run("fetch disk", pieces(wanted, have), p -> fetch(p, target));
            }
        } catch (IOException e) {
            throw new StoreFailed("make a disk", e);
        }
    }

    private static void setLength(FileChannel file, long bytes) throws IOException {
        file.truncate(0);
        if (bytes > 0) {
            file.write(ByteBuffer.allocate(1), bytes - 1);
        }
    }

    private void eraseWhatBecameZero(FileChannel target, List<String> wanted, List<String> have)
            throws IOException {
        for (int chunk = 0; chunk < have.size(); chunk++) {
            if (wanted.get(chunk).isEmpty() && !have.get(chunk).isEmpty()) {
                long from = (long) chunk * DiskSums.CHUNK_BYTES;
                int count = (int) Math.min(DiskSums.CHUNK_BYTES, entry.disk().bytes() - from);
                writeAt(target, from, new byte[count]);
            }
        }
    }

    private List<Piece> pieces(List<String> wanted, List<String> have) {
        var pieces = new ArrayList<Piece>();
        for (var run : entry.disk().chunks().runs()) {
            for (int i = 0; i < run.pages(); i++) {
                int chunk = run.page() + i;
                if (!have.isEmpty() && have.get(chunk).equals(wanted.get(chunk))) {
                    continue;
                }
                int frame = run.layerPage() + i;
                var last = pieces.isEmpty() ? new Piece(0, -1, 0, 0) : pieces.getLast();
                if (last.pack() == run.layer()
                        && last.chunk() + last.count() == chunk
                        && last.frame() + last.count() == frame
                        && last.count() < MOST_FRAMES) {
                    pieces.set(
                            pieces.size() - 1,
                            new Piece(last.chunk(), last.pack(), last.frame(), last.count() + 1));
                } else {
                    pieces.add(new Piece(chunk, run.layer(), frame, 1));
                }
            }
        }
        return pieces;
    }

    private void fetch(Piece piece, FileChannel target) {
        var part = entry.disk().packs().get(piece.pack());
        var pack = part.toPack();
        var key = archive.key(Team.check(part.team())).keyFor(pack.name());
        long offset = pack.offset(piece.frame());
        var stored = new byte[(int) (pack.offset(piece.frame() + piece.count()) - offset)];
        archive.blobs().read(pack.blob(part.team()), offset, ByteBuffer.wrap(stored));
        archive.fetched().add(stored.length);
        for (int i = 0; i < piece.count(); i++) {
            int frame = piece.frame() + i;
            var bytes =
                    Arrays.copyOfRange(
                            stored,
                            (int) (pack.offset(frame) - offset),
                            (int) (pack.offset(frame + 1) - offset));
            long at = (piece.chunk() + (long) i) * DiskSums.CHUNK_BYTES;
            try {
                writeAt(target, at, pack.open(key, frame, bytes));
            } catch (IOException e) {
                throw new StoreFailed("write a disk", e);
            }
        }
    }

    private static void writeAt(FileChannel file, long at, byte[] content) throws IOException {
        var bytes = ByteBuffer.wrap(content);
        while (bytes.hasRemaining()) {
            file.write(bytes, at + bytes.position());
        }
    }

    /** Pins what it makes; released by the caller once a manifest names it. */
    Resource pinned() {
        store.pins().pin(this, entry.layers().stream().map(PackedLayer::layer).toList());
        return () -> store.pins().release(this);
    }
}
