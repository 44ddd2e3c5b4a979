package dev.wrenn.snapshot;

import dev.wrenn.linux.FileSync;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
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
    private final Path layerFolder;

    private Snapshot(Manifest manifest, Path folder, Path layerFolder) {
        this.manifest = manifest;
        this.folder = folder;
        this.layerFolder = layerFolder;
    }

    static Snapshot open(SnapshotId id, Path folder, Path layerFolder) {
        var manifest = ManifestFile.read(id, folder.resolve(SnapshotFiles.MANIFEST));
        var snapshot = new Snapshot(manifest, folder, layerFolder);
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

    /** What it says of itself. */
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

    /**
     * Its memory; the caller closes it.
     *
     * @throws SnapshotCorrupt if page map or layers are not what was sealed
     */
    public MemoryImage image() {
        return MemoryImage.open(manifest, folder.resolve(SnapshotFiles.MAP), layerFolder);
    }

    /** What a resume of it touches; empty if not known or damaged, for it is only a hint. */
    public WorkingSet workingSet() {
        var file = folder.resolve(SnapshotFiles.WORKING_SET);
        try {
            int clusters =
                    (manifest.pageCount() + WorkingSet.CLUSTER_PAGES - 1)
                            / WorkingSet.CLUSTER_PAGES;
            var found = WorkingSet.decode(Files.readAllBytes(file), clusters);
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
