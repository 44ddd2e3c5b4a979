package dev.wrenn.cli.folder;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/**
 * The folder that holds everything of one Wrenn: two of them run two servers side by side.
 *
 * @param path absolute
 */
public record DataFolder(Path path) {
    private static final String OWNER_ONLY = "rwx------";

    /** The folder, made if it is not there, and known to be writable. */
    public static DataFolder open(Path path) {
        var folder = path.toAbsolutePath().normalize();
        try {
            if (!Files.isDirectory(folder)) {
                if (folder.getParent() != null) {
                    Files.createDirectories(folder.getParent());
                }
                Files.createDirectory(
                        folder,
                        PosixFilePermissions.asFileAttribute(
                                PosixFilePermissions.fromString(OWNER_ONLY)));
            }
            Files.delete(Files.createTempFile(folder, ".writable-", ""));
        } catch (IOException e) {
            throw new WrennException(
                    Kind.UNAVAILABLE,
                    ("cannot write to the data folder %s (%s); choose another with --dir or"
                                    + " WRENN_DIR, or make it writable")
                            .formatted(folder, reason(e)),
                    e);
        }
        return new DataFolder(folder);
    }

    /** What the system said, in as few words as there are. */
    private static String reason(IOException e) {
        return switch (e) {
            case java.nio.file.AccessDeniedException _ -> "permission denied";
            case java.nio.file.FileAlreadyExistsException _ -> "something else is in its place";
            case java.nio.file.FileSystemException f when f.getReason() != null -> f.getReason();
            default -> String.valueOf(e.getMessage());
        };
    }

    /** Settings. */
    public Path configuration() {
        return path.resolve("wrenn.conf");
    }

    /** Held by the process that works in it. */
    public Path lock() {
        return path.resolve("wrenn.lock");
    }

    /** Which process that is. */
    public Path serverRecord() {
        return path.resolve("server.json");
    }

    /** The first API key. */
    public Path apiKey() {
        return path.resolve("api-key");
    }

    /** Logs. */
    public Path logs() {
        return path.resolve("log");
    }
}
