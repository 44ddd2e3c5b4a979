package dev.wrenn.snapshot;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** The manifest on disk: a line of JSON and a line with its SHA-256 (docs/snapshot-format.md). */
final class ManifestFile {

    private static final int OLDEST_VERSION = 1;

    private ManifestFile() {}

    static byte[] encode(Manifest manifest) {
        return CheckedJson.encode(manifest);
    }

    /**
     * @throws SnapshotAbsent if there is no such file
     */
    static Manifest read(SnapshotId id, Path file) {
        try {
            return decode(id, Files.readString(file));
        } catch (NoSuchFileException _) {
            throw new SnapshotAbsent(id);
        } catch (IOException e) {
            throw new SnapshotCorrupt(SnapshotFiles.MANIFEST, "cannot be read", e);
        }
    }

    /**
     * @throws SnapshotCorrupt if it is not the manifest of that snapshot, as it was written
     */
    static Manifest decode(SnapshotId id, String text) {
        var tree = CheckedJson.decode(SnapshotFiles.MANIFEST, text);
        int version = tree.path("version").asInt();
        if (version < OLDEST_VERSION || version > Manifest.VERSION) {
            throw new SnapshotCorrupt(
                    SnapshotFiles.MANIFEST,
                    "has version %d, this program reads %d to %d"
                            .formatted(version, OLDEST_VERSION, Manifest.VERSION));
        }
        if (version == 1 && tree instanceof ObjectNode old) {
            // Version 1 did not name the page map: there was only one.
            old.put("version", Manifest.VERSION).put("map", SnapshotFiles.MAP);
        }
        var manifest = CheckedJson.as(SnapshotFiles.MANIFEST, tree, Manifest.class);
        if (!manifest.snapshot().equals(id.text())) {
            throw new SnapshotCorrupt(SnapshotFiles.MANIFEST, "belongs to another snapshot");
        }
        return manifest;
    }
}
