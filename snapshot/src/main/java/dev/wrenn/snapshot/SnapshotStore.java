package dev.wrenn.snapshot;

import dev.wrenn.base.Command;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.FileSync;
import dev.wrenn.linux.Reflink;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
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

    private final Path snapshots;
    private final Path layers;
    private final Path drafts;
    private final Holds holds = new Holds();
    private final ReentrantLock collecting = new ReentrantLock();

    /** Opens the store, and makes its folders. */
    public SnapshotStore(Path root) {
        snapshots = root.resolve("snapshots");
        layers = root.resolve("layers");
        drafts = root.resolve("drafts");
        SnapshotFiles.createFolder(snapshots);
        SnapshotFiles.createFolder(layers);
        SnapshotFiles.createFolder(drafts);
    }

    /**
     * Begins a snapshot; the caller closes it. What is sealed stays until the caller has named it
     * among the roots and says so ({@link #settled}).
     */
    public SnapshotDraft draft(SnapshotId id) {
        holds.drafting(id);
        return new SnapshotDraft(this, id);
    }

    /**
     * Says that a snapshot which was sealed or copied now is named by a root, or is not wanted any
     * more: from here on it stays as long as a root names it.
     */
    public void settled(SnapshotId id) {
        holds.settled(id);
    }

    /**
     * Keeps a snapshot from collection until the result is closed, whatever the roots say. Whoever
     * makes an existing snapshot a root, or serves from it, holds it meanwhile.
     *
     * @throws SnapshotAbsent if there is none
     */
    public Resource hold(SnapshotId id) {
        holds.hold(
                id,
                () -> {
                    if (!Files.isDirectory(folder(id))) {
                        throw new SnapshotAbsent(id);
                    }
                });
        var isOpen = new AtomicBoolean(true);
        return () -> {
            if (isOpen.compareAndSet(true, false)) {
                holds.letGo(id);
            }
        };
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
        var draft = draftFolder(to);
        holds.drafting(to);
        try (var _ = hold(from)) {
            var source = open(from);
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

    /** Removes a snapshot that its maker does not want; its layers go with a collection. */
    public void delete(SnapshotId id) {
        holds.remove(id, () -> putAside(id));
        deleteAside(id);
    }

    /** In one step, so that a process killed in the middle leaves no half of a snapshot. */
    private void putAside(SnapshotId id) {
        SnapshotFiles.deleteTree(draftFolder(id));
        if (Files.isDirectory(folder(id))) {
            move(folder(id), draftFolder(id));
        }
    }

    private void deleteAside(SnapshotId id) {
        SnapshotFiles.deleteTree(draftFolder(id));
        FileSync.folder(snapshots);
    }

    /** Every snapshot there is. */
    public Set<SnapshotId> list() {
        return holds.alone(() -> {
            var found = new HashSet<SnapshotId>();
            names(snapshots).forEach(n -> found.add(new SnapshotId(n)));
            return found;
        });
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
     * Removes what neither the roots nor anybody at work needs. May run at any moment, beside
     * everything else.
     *
     * @param roots asked after the snapshots were listed, so that what is sealed meanwhile stays
     */
    public void collectGarbage(Supplier<Set<SnapshotId>> roots) {
        collecting.lock();
        holds.beginCollection();
        try {
            var candidates = list();
            candidates.removeAll(roots.get());
            for (var id : candidates) {
                if (holds.removeIfFree(id, () -> putAside(id))) {
                    deleteAside(id);
                    LOG.atInfo().addKeyValue("snapshot", id).log("snapshot removed");
                }
            }
            collectDrafts();
            collectLayers();
        } finally {
            holds.endCollection();
            collecting.unlock();
        }
    }

    private void collectDrafts() {
        var present = names(drafts).toList(); // before the drafts: a new one is not a candidate
        var inProgress = holds.drafts();
        present.stream()
                .filter(n -> !inProgress.contains(new SnapshotId(n)))
                .forEach(n -> SnapshotFiles.deleteTree(drafts.resolve(n)));
    }

    private void collectLayers() {
        var present =
                names(layers).toList(); // before the manifests: a new layer is not a candidate
        var needed = new HashSet<String>();
        // A draft that is sealed in between is in the list that follows.
        holds.drafts()
                .forEach(d ->
                        needed.add(SnapshotFiles.layerFile(d.text().replace("snap-", "layer-"))));
        for (var id : list()) {
            try {
                ManifestFile.read(id, folder(id).resolve(SnapshotFiles.MANIFEST))
                        .layers()
                        .forEach(l -> needed.add(SnapshotFiles.layerFile(l.layer())));
            } catch (SnapshotAbsent | SnapshotCorrupt e) {
                // It may be what a copy made since was made of, or be put back from a backup.
                LOG.atWarn()
                        .setCause(e)
                        .addKeyValue("snapshot", id)
                        .log("layers are kept: a snapshot does not say which it needs");
                return;
            }
        }
        for (var layer : present) {
            if (!needed.contains(layer)) {
                SnapshotFiles.deleteTree(layers.resolve(layer));
            }
        }
    }

    void publish(SnapshotId id, Path draft) {
        holds.sealed(id, () -> move(draft, folder(id)));
        try {
            FileSync.folder(snapshots); // outside of the lock, because it waits for the device
        } catch (WrennException e) {
            delete(id);
            throw e;
        }
    }

    private static void move(Path from, Path to) {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new StoreFailed("rename " + SnapshotFiles.name(from), e);
        }
    }

    void draftEnded(SnapshotId id) {
        holds.ended(id);
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
