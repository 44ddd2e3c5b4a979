package dev.wrenn.host.capsule;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.snapshot.Archive;
import dev.wrenn.snapshot.MasterKey;
import dev.wrenn.snapshot.store.BlobStore;
import dev.wrenn.snapshot.store.LocalBlobStore;
import dev.wrenn.snapshot.store.S3BlobStore;
import dev.wrenn.snapshot.store.S3Config;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;

/**
 * Settings of the archive in which snapshots are kept besides this machine.
 *
 * @param place where it is
 * @param masterKeys file of the keys that protect it; made when missing
 * @param keepFree room on the volume below which archived snapshots are evicted
 * @param isPauseDurable whether a pause answers only when the archive has the snapshot
 */
public record ArchiveConfig(
        Place place, Path masterKeys, ByteSize keepFree, boolean isPauseDurable) {
    /** Room that is kept free when nothing else is said. */
    public static final ByteSize KEEP_FREE = ByteSize.gib(2);

    /** Where an archive is. */
    public sealed interface Place {
        /** A folder, which may be a mounted share. */
        record Folder(Path path) implements Place {}

        /** An S3 bucket. */
        record Bucket(S3Config s3) implements Place {}
    }

    /**
     * Opens it.
     *
     * @param dataFolder holds the mark that tells whether the archive is ours to clean up
     */
    Archive open(Path dataFolder) {
        var masters = MasterKey.file(masterKeys);
        BlobStore blobs =
                switch (place) {
                    case Place.Folder(Path path) -> new LocalBlobStore(path);
                    case Place.Bucket(S3Config s3) -> S3BlobStore.open(s3);
                };
        try {
            return Archive.open(blobs, masters, owner(dataFolder.resolve("archive-owner")));
        } catch (RuntimeException e) {
            blobs.close();
            throw e;
        }
    }

    private static String owner(Path file) {
        try {
            if (!Files.exists(file)) {
                Files.writeString(file, UUID.randomUUID().toString());
            }
            return Files.readString(file).strip();
        } catch (IOException e) {
            throw new WrennException(
                    Kind.UNAVAILABLE, "cannot keep the mark of the archive's owner", e);
        }
    }
}
