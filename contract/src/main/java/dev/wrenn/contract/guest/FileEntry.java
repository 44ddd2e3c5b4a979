package dev.wrenn.contract.guest;

import java.time.Instant;
import java.util.Optional;

/**
 * One entry of a directory.
 *
 * @param mode permission bits only
 * @param permissions ten characters, such as {@code drwxr-xr-x}
 * @param owner name or number
 * @param group name or number
 * @param symlinkTarget where a symbolic link points to
 */
public record FileEntry(
        String name,
        String path,
        Type type,
        long sizeBytes,
        int mode,
        String permissions,
        String owner,
        String group,
        Instant modifiedAt,
        Optional<String> symlinkTarget) {
    /** Sort of entry; sockets, devices and broken links count as files. */
    public enum Type {
        FILE,
        DIRECTORY,
        SYMLINK
    }
}
