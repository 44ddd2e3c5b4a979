package dev.wrenn.snapshot;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * The local disks of which it is known how an archive has them: what another disk shares with one
 * of them need not be sent or fetched.
 */
final class ArchivedDisks {
    private final SnapshotStore store;

    ArchivedDisks(SnapshotStore store) {
        this.store = store;
    }

    /** A disk that is both here and in the archive. */
    record Both(Snapshot snapshot, PackedDisk packed) {}

    /** The one most like the disk of that snapshot: an ancestor's, else one of its template. */
    Optional<Both> relativeOf(Snapshot snapshot) {
        var parent = snapshot.manifest().parent();
        while (!parent.isEmpty()) {
            var found = local(new SnapshotId(parent));
            if (found.isEmpty()) {
                break;
            }
            var both = of(found.get());
            if (both.isPresent() && isSameSize(both.get(), snapshot.manifest())) {
                return both;
            }
            parent = found.get().manifest().parent();
        }
        return all().stream()
                .filter(b -> isSameSize(b, snapshot.manifest()))
                .filter(b ->
                        b.snapshot().manifest().template().equals(snapshot.manifest().template()))
                .max(Comparator.comparing(b -> b.snapshot().manifest().createdAt()));
    }

    /** The one that has most chunks in common with an archived disk. */
    Optional<Both> closestTo(PackedDisk disk) {
        var wanted = places(disk);
        return all().stream()
                .filter(b -> b.packed().bytes() == disk.bytes())
                .max(
                        Comparator.comparingInt(b -> {
                            var have = places(b.packed());
                            int same = 0;
                            for (int i = 0; i < wanted.size(); i++) {
                                same += have.get(i).equals(wanted.get(i)) ? 1 : 0;
                            }
                            return same;
                        }));
    }

    /** Where each chunk is stored: pack and frame, or nothing for zeroes. */
    static List<String> places(PackedDisk disk) {
        var places = new ArrayList<String>();
        int count = DiskSums.chunks(disk.bytes());
        for (int i = 0; i < count; i++) {
            places.add("");
        }
        for (var run : disk.chunks().runs()) {
            var pack = disk.packs().get(run.layer()).pack();
            for (int i = 0; i < run.pages(); i++) {
                places.set(run.page() + i, pack + ":" + (run.layerPage() + i));
            }
        }
        return places;
    }

    private static boolean isSameSize(Both both, Manifest manifest) {
        return both.packed().bytes() == manifest.disk().bytes();
    }

    private List<Both> all() {
        var found = new ArrayList<Both>();
        for (var id : store.list()) {
            local(id).flatMap(this::of).ifPresent(found::add);
        }
        return found;
    }

    private Optional<Snapshot> local(SnapshotId id) {
        try {
            return store.exists(id) ? Optional.of(store.openLocal(id)) : Optional.empty();
        } catch (SnapshotAbsent | SnapshotCorrupt _) {
            return Optional.empty(); // then another one serves
        }
    }

    private Optional<Both> of(Snapshot snapshot) {
        try {
            return read(snapshot).map(p -> new Both(snapshot, p));
        } catch (SnapshotCorrupt _) {
            return Optional.empty(); // then another one serves
        }
    }

    /**
     * How an archive has the disk of a snapshot; empty if it has not.
     *
     * @throws SnapshotCorrupt if that is damaged
     */
    static Optional<PackedDisk> read(Snapshot snapshot) {
        var file = SnapshotFiles.ARCHIVED;
        try {
            var text = Files.readString(snapshot.file(file), StandardCharsets.UTF_8);
            return Optional.of(
                    CheckedJson.as(file, CheckedJson.decode(file, text), PackedDisk.class));
        } catch (NoSuchFileException _) {
            return Optional.empty();
        } catch (IOException e) {
            throw new SnapshotCorrupt(file, "cannot be read", e);
        }
    }
}
