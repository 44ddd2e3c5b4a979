package dev.wrenn.snapshot;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** The manifest on disk: a line of JSON and a line with its SHA-256 (docs/snapshot-format.md). */
final class ManifestFile {
    private static final ObjectMapper JSON = new ObjectMapper();

    private static final int OLDEST_VERSION = 1;

    private ManifestFile() {}

    static byte[] encode(Manifest manifest) {
        try {
            var json = JSON.writeValueAsString(manifest);
            return (json + "\n" + sha256(json) + "\n").getBytes(StandardCharsets.UTF_8);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a manifest cannot be written as JSON", e);
        }
    }

    /**
     * @throws SnapshotAbsent if there is no such file
     */
    static Manifest read(SnapshotId id, Path file) {
        String text;
        try {
            text = Files.readString(file);
        } catch (NoSuchFileException _) {
            throw new SnapshotAbsent(id);
        } catch (IOException e) {
            throw new SnapshotCorrupt(SnapshotFiles.MANIFEST, "cannot be read", e);
        }
        int end = text.indexOf('\n');
        if (end < 0 || !text.substring(end + 1).equals(sha256(text.substring(0, end)) + "\n")) {
            throw new SnapshotCorrupt(SnapshotFiles.MANIFEST, "does not match its checksum");
        }
        try {
            var tree = JSON.readTree(text.substring(0, end));
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
            var manifest = JSON.treeToValue(tree, Manifest.class);
            if (!manifest.snapshot().equals(id.text())) {
                throw new SnapshotCorrupt(SnapshotFiles.MANIFEST, "belongs to another snapshot");
            }
            return manifest;
        } catch (JsonProcessingException | IllegalArgumentException e) {
            throw new SnapshotCorrupt(SnapshotFiles.MANIFEST, "is no manifest", e);
        }
    }

    private static String sha256(String text) {
        try {
            return HexFormat.of()
                    .formatHex(
                            MessageDigest.getInstance("SHA-256")
                                    .digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
