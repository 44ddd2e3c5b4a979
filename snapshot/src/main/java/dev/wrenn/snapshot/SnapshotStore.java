package dev.wrenn.snapshot;

import dev.wrenn.base.Resource;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.FileSync;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
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

    private static final int RECALLS = 16;

    /** Name of a store's folder on a data volume. */
    public static final String FOLDER = "store";

    private final Path snapshots;
    private final LayerFolder layers;
    private final Path drafts;
    private final Holds holds = new Holds();
    private final LayerPins pins = new LayerPins();
    private final Optional<Archive> archive;
    private final List<ReentrantLock> recalling =
            Stream.generate(ReentrantLock::new).limit(RECALLS).toList(); // by id

    /** One collection or merge at a time; held across I/O, for nobody on a user's path takes it. */
    private final ReentrantLock maintenance = new ReentrantLock();

    private Set<SnapshotId> maintained = Set.of(); // guarded by maintenance

    /** Opens a store that is all there is, and makes its folders. */
    public SnapshotStore(Path root) {
        this(root, Optional.empty());
    }

    /**
     * Opens a store whose snapshots can be kept in an archive as well, and makes its folders.
     *
     * @param archive stays the caller's
     */
    public SnapshotStore(Path root, Optional<Archive> archive) {
        this.archive = archive;
        snapshots = root.resolve("snapshots");
        layers = new LayerFolder(root.resolve("layers"), archive);
        drafts = root.resolve("drafts");
        SnapshotFiles.createFolder(snapshots);
        SnapshotFiles.createFolder(layers.path());
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
        bringBack(id);
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
     * Opens a snapshot. One that only the archive has is brought back first, but for its memory,
     * which is fetched as it is read.
     *
     * @throws SnapshotAbsent if there is none
     * @throws SnapshotCorrupt if it is not what was sealed
     */
    public Snapshot open(SnapshotId id) {
        bringBack(id);
        return openLocal(id);
    }

    Snapshot openLocal(SnapshotId id) {
        return Snapshot.open(id, folder(id), layers);
    }

    /**
     * Makes sure that a snapshot which the archive has is on this machine.
     *
     * @throws SnapshotAbsent if not even the archive has it
     */
    public void bringBack(SnapshotId id) {
        if (archive.isEmpty() || Files.isDirectory(folder(id))) {
            return;
        }
        var one = recalling.get(Math.floorMod(id.hashCode(), RECALLS));
        one.lock(); // held across I/O on purpose: the others wait for its result
        try {
            if (!Files.isDirectory(folder(id))) {
                recall(archive.get(), id);
            }
        } finally {
            one.unlock();
        }
    }

    private void recall(Archive from, SnapshotId id) {
        var watch = Stopwatch.start();
        var recall = new ArchiveRecall(from, this, id);
        var draft = draftFolder(id);
        holds.drafting(id);
        try (var _ = recall.pinned()) {
            SnapshotFiles.deleteTree(draft);
            SnapshotFiles.createFolder(draft);
            recall.into(draft);
            publish(id, draft);
            holds.settled(id);
            LOG.atInfo()
                    .addKeyValue("snapshot", id)
                    .addKeyValue("took_ms", watch.elapsed().toMillis())
                    .log("snapshot brought back from the archive");
        } finally {
            try {
                SnapshotFiles.deleteTree(draft);
            } finally {
                draftEnded(id);
            }
        }
    }

    /** Snapshots on this machine that the archive does not have yet, oldest first. */
    public List<SnapshotId> unarchived() {
        return list().stream()
                .filter(id -> !isDurable(id))
                .sorted(Comparator.comparingLong(this::sealedAt))
                .toList();
    }

    private long sealedAt(SnapshotId id) {
        return folder(id).resolve(SnapshotFiles.VM_STATE).toFile().lastModified(); // 0 if gone
    }

    /** Whether a snapshot would survive the loss of this machine. */
    public boolean isDurable(SnapshotId id) {
        return archive.isPresent()
                && (Files.exists(folder(id).resolve(SnapshotFiles.ARCHIVED)) || !exists(id));
    }

    /**
     * Stores a snapshot in the archive, or does nothing if there is none; returns when the archive
     * has all of it. May be called again after a failure and goes on then.
     */
    public void archive(SnapshotId id) {
        archive.ifPresent(to ->
                to.exclusively(() -> {
                    if (!isDurable(id)) {
                        try (var _ = hold(id)) {
                            new ArchiveUpload(to, this, id).run();
                        }
                        LOG.atInfo().addKeyValue("snapshot", id).log("snapshot archived");
                    }
                }));
    }

    /**
     * Removes a snapshot from this machine that the archive has; the next {@link #open} brings it
     * back. Its layers go with a collection.
     *
     * @return whether it went: not if it is in use or not archived
     */
    public boolean evict(SnapshotId id) {
        boolean isGone = exists(id) && isDurable(id) && holds.removeIfFree(id, () -> putAside(id));
        if (isGone) {
            deleteAside(id);
            LOG.atInfo().addKeyValue("snapshot", id).log("snapshot evicted, the archive has it");
        }
        return isGone;
    }

    /**
     * Removes from the archive what neither the roots nor this machine needs.
     *
     * @param roots asked after the archived snapshots were listed
     */
    public void collectArchive(Supplier<Set<SnapshotId>> roots) {
        archive.ifPresent(a ->
                a.collect(() -> {
                    var needed = new HashSet<>(roots.get());
                    needed.addAll(list());
                    return needed;
                }));
    }

    /**
     * Does what a pause leaves for later: computes the checksums of the disks sealed since, and
     * merges layers where a snapshot has become deep or a layer sparse. Safe at any time: whoever
     * reads a snapshot meanwhile sees the old or the new layers, and what is mapped stays mapped.
     */
    public void maintain() {
        for (var id : list()) {
            if (!Files.exists(folder(id).resolve(SnapshotFiles.DISK_SUMS))) {
                sumDisk(id);
            }
        }
        maintenance.lock();
        try {
            var present = list();
            if (!present.equals(maintained)) {
                if (new Compaction(this).run() > 0) {
                    collectLayers();
                }
                maintained = present;
            }
        } finally {
            maintenance.unlock();
        }
    }

    private void sumDisk(SnapshotId id) {
        try {
            new DiskSummation(this).run(id);
        } catch (WrennException e) {
            if (exists(id)) { // else it, or its parent, went meanwhile; the next call tries again
                LOG.atWarn().setCause(e).addKeyValue("snapshot", id).log("disk is without sums");
            }
        }
    }

    /** A second snapshot with the same content; costs no space where files can be cloned. */
    public Snapshot copy(SnapshotId from, SnapshotId to) {
        holds.drafting(to);
        try (var _ = hold(from)) {
            return new SnapshotCopy(this, from, to).make();
        } finally {
            pins.release(to);
            draftEnded(to);
        }
    }

    /** Removes a snapshot that its maker does not want; its layers go with a collection. */
    public void delete(SnapshotId id) {
        holds.remove(id, () -> putAside(id));
        deleteAside(id);
    }

    /** Removes a snapshot that nobody got; what cannot be removed now goes with a collection. */
    void giveUp(SnapshotId id, WrennException because) {
        try {
            delete(id);
        } catch (WrennException e) {
            because.addSuppressed(e);
        }
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

    /** Where the root disk of a snapshot is, or was; unchecked, so only to compare places with. */
    public Path diskOf(SnapshotId id) {
        return folder(id).resolve(SnapshotFiles.DISK);
    }

    /** Bytes that the snapshot's own files and the layers it names occupy. */
    public long allocatedBytes(SnapshotId id) {
        var manifest = manifest(id);
        long bytes = SnapshotFiles.allocated(folder(id).resolve(SnapshotFiles.DISK));
        for (var layer : manifest.layers()) {
            bytes += LayerFile.fileBytes(layer.pages());
        }
        return bytes + manifest.vmStateBytes() + manifest.mapBytes();
    }

    /**
     * Removes what neither the roots nor anybody at work needs. May run at any moment, beside
     * everything else.
     *
     * @param roots asked after the snapshots were listed, so that what is sealed meanwhile stays
     */
    public void collectGarbage(Supplier<Set<SnapshotId>> roots) {
        maintenance.lock();
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
            maintenance.unlock();
        }
    }

    private void collectDrafts() {
        var present = names(drafts).toList(); // before the drafts: a new one is not a candidate
        var inProgress = holds.drafts();
        present.stream()
                .filter(n -> !inProgress.contains(new SnapshotId(n)))
                .forEach(n -> SnapshotFiles.deleteTree(drafts.resolve(n)));
    }

    /** Removes the layers that no snapshot needs any more. */
    public void collectLayers() {
        maintenance.lock();
        try {
            new LayerCollector(this).run();
        } finally {
            maintenance.unlock();
        }
    }

    /** A snapshot's memory, whose layers stay until the holder releases them. */
    MemoryImage pinnedImage(Object holder, Snapshot snapshot) {
        return pinned(holder, snapshot, snapshot::image, MemoryImage::plan);
    }

    /** Where a snapshot's memory lies; those layers stay until the holder releases them. */
    MemoryPlan pinnedMemory(Object holder, Snapshot snapshot) {
        return pinned(holder, snapshot, snapshot::memory, m -> m);
    }

    /** Reads something that names layers, and pins them while the manifest is still in force. */
    private <T> T pinned(
            Object holder, Snapshot snapshot, Supplier<T> reading, Function<T, MemoryPlan> planOf) {
        while (true) {
            var read = reading.get();
            var manifest = planOf.apply(read).manifest();
            pins.pin(holder, manifest.layers().stream().map(Manifest.LayerEntry::layer).toList());
            if (snapshot.currentManifest().equals(manifest)) {
                return read;
            }
            if (read instanceof MemoryImage stale) {
                stale.close();
            }
        }
    }

    /** Lets a snapshot read its memory from other layers from now on; the map is written first. */
    void replaceMemory(SnapshotId id, Manifest manifest, byte[] map) {
        var before = manifest(id).map();
        SnapshotFiles.writeSynced(folder(id).resolve(manifest.map()), map);
        SnapshotFiles.replace(
                folder(id).resolve(SnapshotFiles.MANIFEST), ManifestFile.encode(manifest));
        SnapshotFiles.deleteTree(folder(id).resolve(before));
    }

    LayerPins pins() {
        return pins;
    }

    boolean exists(SnapshotId id) {
        return Files.exists(folder(id).resolve(SnapshotFiles.MANIFEST));
    }

    /** Whether a folder lost what makes it a snapshot; whole ones come and go in one step. */
    boolean isWithoutManifest(SnapshotId id) {
        return Files.isDirectory(folder(id)) && !exists(id) && Files.isDirectory(folder(id));
    }

    /** Where a snapshot's memory lies now. */
    MemoryPlan memory(SnapshotId id) {
        return Snapshot.readMemory(() -> manifest(id), folder(id), plan -> plan);
    }

    Manifest manifest(SnapshotId id) {
        return ManifestFile.read(id, folder(id).resolve(SnapshotFiles.MANIFEST));
    }

    void publish(SnapshotId id, Path draft) {
        holds.sealed(id, () -> move(draft, folder(id)));
        try {
            FileSync.folder(snapshots); // outside of the lock, because it waits for the device
        } catch (WrennException e) {
            giveUp(id, e);
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

    LayerFolder layers() {
        return layers;
    }

    Path layerFolder() {
        return layers.path();
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
