package dev.wrenn.snapshot;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Tells whether a file is still the one that was sealed: nobody changes bytes without moving the
 * change time (inode(7)), so an unchanged identity spares reading the whole file before use.
 *
 * @param bytes size
 * @param modifiedNanos modification time since the epoch
 * @param changedNanos inode change time since the epoch
 */
record FileIdentity(long bytes, long modifiedNanos, long changedNanos) {
    static FileIdentity of(Path file) {
        try {
            var attributes = Files.readAttributes(file, "unix:size,lastModifiedTime,ctime");
            return new FileIdentity(
                    (Long) Objects.requireNonNull(attributes.get("size")),
                    nanos(attributes.get("lastModifiedTime")),
                    nanos(attributes.get("ctime")));
        } catch (IOException e) {
            throw new SnapshotCorrupt(file.getFileName().toString(), "cannot be read", e);
        }
    }

    private static long nanos(@Nullable Object time) {
        return ((FileTime) Objects.requireNonNull(time)).to(TimeUnit.NANOSECONDS);
    }
}
