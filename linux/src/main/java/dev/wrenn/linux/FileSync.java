package dev.wrenn.linux;

import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/** Makes what was written last (fsync(2)). */
public final class FileSync {
    private FileSync() {}

    /** Syncs content and size of a file. */
    public static void file(Path file) {
        sync(file, StandardOpenOption.WRITE);
    }

    /** Syncs the entries of a folder: a new or renamed file lasts only then (fsync(2), NOTES). */
    public static void folder(Path folder) {
        sync(folder, StandardOpenOption.READ);
    }

    /** Renames within a file system, replacing the target, and syncs the target's folder. */
    public static void rename(Path from, Path to) {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw failed("rename", from, e);
        }
        var folder = to.toAbsolutePath().getParent();
        if (folder != null) {
            folder(folder);
        }
    }

    private static void sync(Path path, StandardOpenOption mode) {
        try (var channel = FileChannel.open(path, mode)) {
            channel.force(true);
        } catch (IOException e) {
            throw failed("sync", path, e);
        }
    }

    private static WrennException failed(String attempt, Path path, IOException cause) {
        var trouble = FileTrouble.of(cause);
        return new WrennException(
                trouble.kind(),
                "cannot %s %s%s".formatted(attempt, path.getFileName(), trouble.words()),
                cause);
    }
}
