package dev.wrenn.host.image;

import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;

import dev.wrenn.base.Command;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;

/**
 * A folder whose entries are complete as soon as they have their name: each is made under a name of
 * its own, synced, and renamed.
 *
 * <p>Used by one process at a time: the caller holds the folder's lock.
 */
final class Aside {
    private static final String UNFINISHED = ".unfinished-";
    private static final Duration REMOVE_LIMIT = Duration.ofMinutes(2);

    private final Path folder;

    /** The folder; it is made if it is not there. */
    Aside(Path folder) throws IOException {
        this.folder = Files.createDirectories(folder);
    }

    /** Makes the product at the path that it is given, a file or a folder. */
    @FunctionalInterface
    interface Maker {
        void make(Path unfinished) throws IOException;
    }

    /**
     * Makes an entry.
     *
     * @return where it is now
     */
    Path make(String name, Maker maker) throws IOException {
        var unfinished = folder.resolve(UNFINISHED + name);
        remove(unfinished);
        maker.make(unfinished);
        sync(unfinished);
        var target = folder.resolve(name);
        Files.move(unfinished, target, StandardCopyOption.ATOMIC_MOVE);
        syncOne(folder);
        return target;
    }

    /** A path for work that is not kept: removed now, and by {@link #clear} if we die. */
    Path scratch(String name) {
        var path = folder.resolve(UNFINISHED + name);
        remove(path);
        return path;
    }

    /** Removes what interrupted runs left. */
    void clear() throws IOException {
        try (var left = Files.newDirectoryStream(folder, UNFINISHED + "*")) {
            left.forEach(Aside::remove);
        }
    }

    /** Whether an entry is one that an interrupted run left, or that is being made. */
    static boolean isUnfinished(Path entry) {
        return String.valueOf(entry.getFileName()).startsWith(UNFINISHED);
    }

    /** Removes a file or a folder with all in it; what is mounted inside stays. */
    static void remove(Path path) {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        // An interruption ends the work, but not the tidying up after it.
        boolean wasInterrupted = Thread.interrupted();
        try {
            Command.of("rm", "-rf", "--one-file-system", "--", path.toString())
                    .within(REMOVE_LIMIT)
                    .run();
        } finally {
            if (wasInterrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static void sync(Path path) throws IOException {
        if (Files.isDirectory(path)) {
            try (var children = Files.newDirectoryStream(path)) {
                for (var child : children) {
                    sync(child);
                }
            }
        }
        syncOne(path);
    }

    private static void syncOne(Path path) throws IOException {
        // Linux lets a directory be opened for reading only, which is enough to sync it.
        var mode = Files.isDirectory(path) ? READ : WRITE;
        try (var channel = FileChannel.open(path, mode)) {
            channel.force(true);
        }
    }
}
