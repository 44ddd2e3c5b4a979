package dev.wrenn.snapshot;

import dev.wrenn.base.WrennException;
import dev.wrenn.linux.FileSync;
import dev.wrenn.linux.Reflink;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Makes a second snapshot of one that is held meanwhile: the same layers, files of its own. */
final class SnapshotCopy {
    private final SnapshotStore store;
    private final SnapshotId from;
    private final SnapshotId to;

    SnapshotCopy(SnapshotStore store, SnapshotId from, SnapshotId to) {
        this.store = store;
        this.from = from;
        this.to = to;
    }

    Snapshot make() {
        var draft = store.draftFolder(to);
        try {
            var source = store.open(from);
            SnapshotFiles.deleteTree(draft);
            SnapshotFiles.createFolder(draft);
            write(source, draft);
            store.publish(to, draft);
            return opened(source.workingSet());
        } catch (IOException e) {
            throw new StoreFailed("copy a snapshot", e);
        } finally {
            SnapshotFiles.deleteTree(draft);
        }
    }

    private void write(Snapshot source, Path draft) throws IOException {
        var memory = store.pinnedMemory(to, source);
        SnapshotFiles.writeSynced(
                draft.resolve(SnapshotFiles.VM_STATE), Files.readAllBytes(source.vmState()));
        SnapshotFiles.writeSynced(draft.resolve(memory.manifest().map()), memory.map().encode());
        var disk = draft.resolve(SnapshotFiles.DISK);
        if (!Reflink.clone(source.disk(), disk)) {
            Files.delete(disk);
            Files.copy(source.disk(), disk);
        }
        FileSync.file(disk);
        var manifest = memory.manifest().copiedTo(to, FileIdentity.of(disk));
        SnapshotFiles.writeSynced(
                draft.resolve(SnapshotFiles.MANIFEST), ManifestFile.encode(manifest));
        FileSync.folder(draft);
    }

    private Snapshot opened(WorkingSet touched) {
        try {
            var copy = store.open(to);
            copy.storeWorkingSet(touched);
            return copy;
        } catch (WrennException e) {
            store.giveUp(to, e);
            throw e;
        }
    }
}
