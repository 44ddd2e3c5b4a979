package dev.wrenn.snapshot;

import dev.wrenn.linux.FileSync;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A sealed, immutable snapshot whose manifest, VM state and disk were checked when it was opened;
 * its memory is checked by {@link #image()} and as it is served.
 */
public final class Snapshot {
    private static final Logger LOG = LoggerFactory.getLogger(Snapshot.class);

    private final Manifest manifest;
    private final Path folder;
    private final LayerFolder layers;

    private Snapshot(Manifest manifest, Path folder, LayerFolder layers) {
        this.manifest = manifest;
        this.folder = folder;
        this.layers = layers;
    }

    static Snapshot open(SnapshotId id, Path folder, LayerFolder layers) {
        var manifest = ManifestFile.read(id, folder.resolve(SnapshotFiles.MANIFEST));
        var snapshot = new Snapshot(manifest, folder, layers);
        var state = SnapshotFiles.read(snapshot.vmState(), manifest.vmStateBytes());
        if (LayerFile.crc(java.nio.ByteBuffer.wrap(state)) != manifest.vmStateCrc()) {
            throw new SnapshotCorrupt(SnapshotFiles.VM_STATE, "does not match its checksum");
        }
        var disk = FileIdentity.of(snapshot.disk());
        if (disk.bytes() != manifest.disk().bytes()
                || disk.modifiedNanos() != manifest.disk().modifiedNanos()) {
            throw new SnapshotCorrupt(SnapshotFiles.DISK, "was changed after it was sealed");
        }
        return snapshot;
    }

    /** Its id. */
    public SnapshotId id() {
        return manifest.id();
    }

    /** What it said of itself when it was opened. */
    public Manifest manifest() {
        return manifest;
    }

    /** Device and processor state for the VMM. */
    public Path vmState() {
        return folder.resolve(SnapshotFiles.VM_STATE);
    }

    /** Root disk; only to be cloned. */
    public Path disk() {
        return folder.resolve(SnapshotFiles.DISK);
    }

    Path file(String name) {
        return folder.resolve(name);
    }

    /**
     * Its memory; the caller closes it.
     *
     * @throws SnapshotCorrupt if page map or layers are not what was sealed
     */
    public MemoryImage image() {
        return readMemory(this::currentManifest, folder, plan -> MemoryImage.open(plan, layers));
    }

    /**
     * Where its memory lies now.
     *
     * @throws SnapshotCorrupt if the page map is not what was sealed
     */
    MemoryPlan memory() {
        return readMemory(this::currentManifest, folder, plan -> plan);
    }

    /**
     * Reads along the manifest that is in force. A compaction may replace it and remove what it
     * named at any moment: damage only counts if the manifest is still the same.
     */
    static <T> T readMemory(
            Supplier<Manifest> inForce, Path folder, Function<MemoryPlan, T> reading) {
        var current = inForce.get();
        while (true) {
            try {
                return reading.apply(MemoryPlan.read(current, folder));
            } catch (SnapshotCorrupt e) {
                var now = inForce.get();
                if (now.equals(current)) {
                    throw e;
                }
                current = now;
            }
        }
    }

    Manifest currentManifest() {
        return ManifestFile.read(id(), folder.resolve(SnapshotFiles.MANIFEST));
    }

    /**
     * The checksums of its disk, once they are computed.
     *
     * @throws SnapshotCorrupt if they are damaged
     */
    Optional<DiskSums> diskSums() {
        var file = folder.resolve(SnapshotFiles.DISK_SUMS);
        try {
            return Optional.of(DiskSums.decode(Files.readAllBytes(file), manifest.disk()));
        } catch (NoSuchFileException _) {
            return Optional.empty();
        } catch (IOException e) {
            throw new SnapshotCorrupt(SnapshotFiles.DISK_SUMS, "cannot be read", e);
        }
    }

    /**
     * @throws SnapshotCorrupt if there is a working set and it is damaged
     */
    void checkWorkingSet() {
        var file = folder.resolve(SnapshotFiles.WORKING_SET);
        try {
            if (WorkingSet.decode(Files.readAllBytes(file), clusters()).isEmpty()) {
                throw new SnapshotCorrupt(SnapshotFiles.WORKING_SET, "does not match its checksum");
            }
        } catch (NoSuchFileException _) {
            return; // not learned yet
        } catch (IOException e) {
            throw new SnapshotCorrupt(SnapshotFiles.WORKING_SET, "cannot be read", e);
        }
    }

    private int clusters() {
        return (manifest.pageCount() + WorkingSet.CLUSTER_PAGES - 1) / WorkingSet.CLUSTER_PAGES;
    }

    /** What a resume of it touches; empty if not known or damaged, for it is only a hint. */
    public WorkingSet workingSet() {
        var file = folder.resolve(SnapshotFiles.WORKING_SET);
        try {
            var found = WorkingSet.decode(Files.readAllBytes(file), clusters());
            if (found.isEmpty()) {
                LOG.atWarn().addKeyValue("snapshot", id()).log("working set is damaged");
            }
            return found.orElse(WorkingSet.EMPTY);
        } catch (NoSuchFileException _) {
            return WorkingSet.EMPTY;
        } catch (IOException e) {
            LOG.atWarn()
                    .setCause(e)
                    .addKeyValue("snapshot", id())
                    .log("working set cannot be read");
            return WorkingSet.EMPTY;
        }
    }

    /** Replaces the working set; the one thing of a snapshot that may change. */
    public void storeWorkingSet(WorkingSet workingSet) {
        var aside = folder.resolve(SnapshotFiles.WORKING_SET + ".new");
        try {
            Files.write(aside, workingSet.encode());
        } catch (IOException e) {
            throw new StoreFailed("write a working set", e);
        }
        FileSync.rename(aside, folder.resolve(SnapshotFiles.WORKING_SET));
    }

    /** Memory bytes that this snapshot added to its parent. */
    public long writtenBytes() {
        return manifest.writtenBytes();
    }
}
