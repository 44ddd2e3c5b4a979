package dev.wrenn.snapshot;

import java.util.Optional;

/** Computes the checksums of a sealed disk and keeps them beside it. */
final class DiskSummation {
    private final SnapshotStore store;

    DiskSummation(SnapshotStore store) {
        this.store = store;
    }

    /** The checksums of a disk, computed now if they are not there yet. */
    DiskSums of(Snapshot snapshot) {
        return snapshot.diskSums().orElseGet(() -> run(snapshot.id()));
    }

    DiskSums run(SnapshotId id) {
        var snapshot = store.openLocal(id);
        var sums = DiskSums.of(snapshot.disk(), relative(snapshot));
        var _ = store.openLocal(id); // the disk is still what was sealed, so these are its sums
        SnapshotFiles.replace(snapshot.file(SnapshotFiles.DISK_SUMS), sums.encode());
        return sums;
    }

    /** The parent's disk, of which most is shared, if both it and its sums are whole. */
    private Optional<DiskSums.Known> relative(Snapshot snapshot) {
        var parent = snapshot.manifest().parent();
        if (parent.isEmpty()) {
            return Optional.empty();
        }
        try {
            var found = store.openLocal(new SnapshotId(parent));
            return found.diskSums().map(s -> new DiskSums.Known(found.disk(), s));
        } catch (SnapshotAbsent | SnapshotCorrupt _) {
            return Optional.empty(); // then everything is read
        }
    }
}
