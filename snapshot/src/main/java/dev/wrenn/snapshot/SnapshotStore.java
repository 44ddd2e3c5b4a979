package dev.wrenn.snapshot;

import dev.wrenn.base.Command;
import dev.wrenn.base.Deadline;
import dev.wrenn.linux.FileSync;
import dev.wrenn.linux.Reflink;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Snapshots in a folder of this machine.
 *
 * <pre>
 *  snapshots/ID/   manifest.json vmstate memory.map disk.raw working-set
 *  layers/         memory layers, shared by the snapshots that name them
 *  drafts/ID/      what is being made; worthless after a restart
 * </pre>
 *
 * A snapshot exists if its folder does, for the folder is renamed into place complete. What nobody
 * needs is found from the roots the caller names, never by counting references. Thread-safe.
 */
public final class SnapshotStore {
    private static final Logger LOG = LoggerFactory.getLogger(SnapshotStore.class);

    /** How long a sealed snapshot is safe from collection though nobody names it yet. */
    private static final Duration GRACE = Duration.ofMinutes(10);

    private final Path snapshots;
    private final Path layers;
    private final Path drafts;
    private final Set<SnapshotId> drafting = ConcurrentHashMap.newKeySet();
    private final Map<SnapshotId, Deadline> young = new ConcurrentHashMap<>();

    /** Opens the store, and makes its folders. */
    public SnapshotStore(Path root) {
        snapshots = root.resolve("snapshots");
        layers = root.resolve("layers");
        drafts = root.resolve("drafts");
        SnapshotFiles.createFolder(snapshots);
        SnapshotFiles.createFolder(layers);
        SnapshotFiles.createFolder(drafts);
    }

    /** Begins a snapshot; the caller closes it. */
    public SnapshotDraft draft(SnapshotId id) {
        drafting.add(id);
        return new SnapshotDraft(this, id);
    }

    /**
     * Opens a snapshot.
     *
     * @throws SnapshotAbsent if there is none
     * @throws SnapshotCorrupt if it is not what was sealed
     */
    public Snapshot open(SnapshotId id) {
        return Snapshot.open(id, folder(id), layers);
    }

    /** A second snapshot with the same content; costs no space where files can be cloned. */
    public Snapshot copy(SnapshotId from, SnapshotId to) {
        var source = open(from);
        drafting.add(to);
        var draft = draftFolder(to);
        try {
            SnapshotFiles.deleteTree(draft);
            SnapshotFiles.createFolder(draft);
            for (var name : List.of(SnapshotFiles.VM_STATE, SnapshotFiles.MAP)) {
                SnapshotFiles.writeSynced(
                        draft.resolve(name), Files.readAllBytes(folder(from).resolve(name)));
            }
            var disk = draft.resolve(SnapshotFiles.DISK);
            if (!Reflink.clone(source.disk(), disk)) {
                Files.delete(disk);
                Files.copy(source.disk(), disk);
            }
            FileSync.file(disk);
            var manifest = renamed(source.manifest(), to, FileIdentity.of(disk));
            SnapshotFiles.writeSynced(
                    draft.resolve(SnapshotFiles.MANIFEST), ManifestFile.encode(manifest));
            FileSync.folder(draft);
            publish(to, draft);
            var copy = open(to);
            copy.storeWorkingSet(source.workingSet());
            return copy;
        } catch (IOException e) {
            throw new StoreFailed("copy a snapshot", e);
        } finally {
            SnapshotFiles.deleteTree(draft);
            draftEnded(to);
        }
    }

    private static Manifest renamed(Manifest m, SnapshotId id, FileIdentity disk) {
        return new Manifest(
                m.version(),
                id.text(),
                m.parent(),
                m.createdAt(),
                m.vmm(),
                m.vmmVersion(),
                m.vcpus(),
                m.memoryBytes(),
                m.kernel(),
                m.template(),
                m.layers(),
                m.vmStateBytes(),
                m.vmStateCrc(),
                m.mapBytes(),
                new Manifest.DiskEntry(disk.bytes(), disk.modifiedNanos()),
                m.writtenBytes(),
                m.attributes());
    }

    /** Removes a snapshot; its layers go with the next collection. */
    public void delete(SnapshotId id) {
        young.remove(id);
        SnapshotFiles.deleteTree(folder(id));
        FileSync.folder(snapshots);
    }

    /** Every snapshot there is. */
    public Set<SnapshotId> list() {
        var found = new HashSet<SnapshotId>();
        names(snapshots).forEach(n -> found.add(new SnapshotId(n)));
        return found;
    }

    /** Bytes that the snapshot's own files and the layers it names occupy. */
    public long allocatedBytes(SnapshotId id) {
        var manifest = ManifestFile.read(id, folder(id).resolve(SnapshotFiles.MANIFEST));
        long bytes = allocated(folder(id).resolve(SnapshotFiles.DISK));
        for (var layer : manifest.layers()) {
            bytes += LayerFile.fileBytes(layer.pages());
        }
        return bytes + manifest.vmStateBytes() + manifest.mapBytes();
    }

    private static long allocated(Path file) {
        // du(1) knows the blocks a file occupies; the JDK only tells its size.
        var output = Command.of("du", "-k", file.toString()).run().stdout();
        return Long.parseLong(output.substring(0, output.indexOf('\t'))) << 10;
    }

    /**
     * Removes what neither the roots nor a draft in progress needs.
     *
     * @param roots asked after the snapshots were listed, so that what is sealed meanwhile stays
     */
    public void collectGarbage(Supplier<Set<SnapshotId>> roots) {
        var candidates = list();
        candidates.removeAll(roots.get());
        candidates.removeIf(this::isYoung);
        for (var id : candidates) {
            delete(id);
            LOG.atInfo().addKeyValue("snapshot", id).log("snapshot removed");
        }
        names(drafts)
                .filter(n -> !drafting.contains(new SnapshotId(n)))
                .forEach(n -> SnapshotFiles.deleteTree(drafts.resolve(n)));
        collectLayers();
    }

    private void collectLayers() {
        var present =
                names(layers).toList(); // before the manifests: a new layer is not a candidate
        var needed = new HashSet<String>();
        drafting.forEach(
                d -> needed.add(SnapshotFiles.layerFile(d.text().replace("snap-", "layer-"))));
        for (var id : list()) {
            ManifestFile.read(id, folder(id).resolve(SnapshotFiles.MANIFEST))
                    .layers()
                    .forEach(l -> needed.add(SnapshotFiles.layerFile(l.layer())));
        }
        for (var layer : present) {
            if (!needed.contains(layer)) {
                SnapshotFiles.deleteTree(layers.resolve(layer));
            }
        }
    }

    private boolean isYoung(SnapshotId id) {
        var grace = young.get(id);
        return grace != null && !grace.isPast();
    }

    void publish(SnapshotId id, Path draft) {
        young.put(id, Deadline.after(GRACE));
        FileSync.rename(draft, folder(id));
    }

    void draftEnded(SnapshotId id) {
        drafting.remove(id);
    }

    Path draftFolder(SnapshotId id) {
        return drafts.resolve(id.text());
    }

    Path layerFolder() {
        return layers;
    }

    private Path folder(SnapshotId id) {
        return snapshots.resolve(id.text());
    }

    private static Stream<String> names(Path folder) {
        try (var files = Files.list(folder)) {
            return files.map(SnapshotFiles::name).toList().stream();
        } catch (IOException e) {
            throw new StoreFailed("list " + SnapshotFiles.name(folder), e);
        }
    }
}
