package dev.wrenn.snapshot;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.FileSync;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * A snapshot in the making, in a folder of its own. It comes into being by {@link #seal}: all files
 * synced, then the folder renamed into place. Closing an unsealed draft removes every trace of it.
 */
public final class SnapshotDraft implements Resource {
    private static final Duration SYNC_LIMIT = Duration.ofMinutes(5);

    private final SnapshotStore store;
    private final SnapshotId id;
    private final Path folder;
    private final String layer;
    private Optional<LayerWriter> writer = Optional.empty();
    private Optional<Resource> parentHold = Optional.empty(); // its layers become ours
    private Optional<MemoryImage> parentImage = Optional.empty();
    private int pageCount;
    private boolean sealed;

    SnapshotDraft(SnapshotStore store, SnapshotId id) {
        this.store = store;
        this.id = id;
        this.folder = store.draftFolder(id);
        this.layer = SnapshotFiles.layerOf(id);
        store.pins().pin(this, List.of(layer));
        SnapshotFiles.deleteTree(folder);
        SnapshotFiles.createFolder(folder);
    }

    /** Where the VM state goes. */
    public Path vmState() {
        return folder.resolve(SnapshotFiles.VM_STATE);
    }

    /** Where the disk goes; must not exist before it is cloned. */
    public Path disk() {
        return folder.resolve(SnapshotFiles.DISK);
    }

    /**
     * Begins the memory.
     *
     * @param parentSnapshot what the memory was served from; empty for a cold boot
     * @param pages pages of guest memory
     */
    public LayerWriter memory(Optional<Snapshot> parentSnapshot, long pages) {
        parentHold = parentSnapshot.map(p -> store.hold(p.id()));
        parentImage = parentSnapshot.map(p -> store.pinnedImage(this, p));
        pageCount = Math.toIntExact(pages);
        var made =
                new LayerWriter(
                        store.layers().complete(layer),
                        parentImage,
                        pageCount,
                        parentLayers().size());
        writer = Optional.of(made);
        return made;
    }

    /** What a resume of it will touch; a hint, so it is not worth waiting for the device. */
    public void workingSet(WorkingSet touched) {
        write(SnapshotFiles.WORKING_SET, touched.encode());
    }

    /** Makes the snapshot exist; returns once it would survive a power cut. */
    public Snapshot seal(ManifestFacts facts) {
        var memory = writer.orElseThrow().finish();
        var layerPath = store.layers().complete(layer);
        var layers = new ArrayList<>(parentLayers());
        var identity = FileIdentity.of(layerPath);
        layers.add(
                new Manifest.LayerEntry(
                        layer,
                        memory.layer().pages(),
                        memory.layer().tableCrc(),
                        identity.modifiedNanos(),
                        identity.changedNanos()));
        var map =
                parentImage
                        .map(i -> i.plan().map())
                        .orElseGet(() -> PageMap.zero(pageCount))
                        .overlay(memory.changes());
        var compact = dropUnused(map, layers);
        var mapBytes = compact.map().encode();
        write(SnapshotFiles.MAP, mapBytes);
        var manifest = manifest(facts, compact, memory.layer().pages(), mapBytes.length);
        write(SnapshotFiles.MANIFEST, ManifestFile.encode(manifest));
        sync(layerPath);
        store.publish(id, folder);
        sealed = true;
        try {
            if (compact.layers().stream().noneMatch(l -> l.layer().equals(layer))) {
                deleteFile(layerPath);
            }
            return store.open(id);
        } catch (WrennException e) {
            store.giveUp(id, e);
            throw e;
        }
    }

    private Manifest manifest(ManifestFacts facts, Compact memory, int newPages, int mapBytes) {
        var disk = FileIdentity.of(disk());
        var state = SnapshotFiles.read(vmState(), FileIdentity.of(vmState()).bytes());
        return new Manifest(
                Manifest.VERSION,
                id.text(),
                Manifest.orEmpty(facts.parent()),
                Manifest.instant(facts.createdAt()),
                facts.vmm(),
                facts.vmmVersion(),
                facts.vcpus(),
                facts.memory().bytes(),
                facts.kernel(),
                facts.template(),
                memory.layers(),
                state.length,
                LayerFile.crc(ByteBuffer.wrap(state)),
                SnapshotFiles.MAP,
                mapBytes,
                new Manifest.DiskEntry(disk.bytes(), disk.modifiedNanos()),
                (long) newPages * PageSource.PAGE_BYTES,
                facts.attributes());
    }

    private record Compact(PageMap map, List<Manifest.LayerEntry> layers) {}

    /** Layers that no page needs any more are not named, so that they can be collected. */
    private static Compact dropUnused(PageMap map, List<Manifest.LayerEntry> layers) {
        var used = new boolean[layers.size()];
        map.runs().forEach(r -> used[r.layer()] = true);
        var newIndex = new int[layers.size()];
        var kept = new ArrayList<Manifest.LayerEntry>();
        IntStream.range(0, used.length)
                .filter(i -> used[i])
                .forEach(i -> {
                    newIndex[i] = kept.size();
                    kept.add(layers.get(i));
                });
        return new Compact(map.withLayers(i -> newIndex[i]), List.copyOf(kept));
    }

    private List<Manifest.LayerEntry> parentLayers() {
        return parentImage.map(i -> i.plan().manifest().layers()).orElse(List.of());
    }

    /**
     * Everything at once, because each would wait for the device by itself. Nothing of it exists
     * before the folder is renamed, so the order does not matter.
     */
    private void sync(Path layerPath) {
        try (var forks = new Forks()) {
            var syncs = new ArrayList<Forks.Fork<Path>>();
            for (var file :
                    List.of(
                            layerPath,
                            disk(),
                            vmState(),
                            folder.resolve(SnapshotFiles.MAP),
                            folder.resolve(SnapshotFiles.MANIFEST))) {
                syncs.add(forks.start("sync", () -> synced(file)));
            }
            syncs.add(forks.start("sync", () -> syncedFolder(store.layerFolder())));
            syncs.add(forks.start("sync", () -> syncedFolder(folder)));
            syncs.forEach(s -> s.take(SYNC_LIMIT));
        }
    }

    private static Path synced(Path file) {
        FileSync.file(file);
        return file;
    }

    private static Path syncedFolder(Path file) {
        FileSync.folder(file);
        return file;
    }

    private void write(String name, byte[] bytes) {
        try {
            Files.write(folder.resolve(name), bytes, StandardOpenOption.CREATE_NEW);
        } catch (IOException e) {
            throw new StoreFailed("write " + name, e);
        }
    }

    private static void deleteFile(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new StoreFailed("delete a layer", e);
        }
    }

    @Override
    public void close() {
        try {
            writer.ifPresent(LayerWriter::close);
            parentImage.ifPresent(MemoryImage::close);
            if (!sealed) {
                SnapshotFiles.deleteTree(folder);
                deleteFile(store.layers().complete(layer));
            }
        } finally {
            parentHold.ifPresent(Resource::close);
            store.pins().release(this);
            store.draftEnded(id);
        }
    }
}
