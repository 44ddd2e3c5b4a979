package dev.wrenn.snapshot;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;

/** Names and plain access of the files of a store. */
final class SnapshotFiles {
    static final String MANIFEST = "manifest.json";
    static final String VM_STATE = "vmstate";
    static final String MAP = "memory.map";
    static final String DISK = "disk.raw";
    static final String WORKING_SET = "working-set";

    private SnapshotFiles() {}

    static String layerFile(String layer) {
        return layer + ".layer";
    }

    /** Reads a file that must have that size. */
    static byte[] read(Path file, long bytes) {
        try {
            var content = Files.readAllBytes(file);
            if (content.length != bytes) {
                throw new SnapshotCorrupt(
                        name(file), "has %d bytes instead of %d".formatted(content.length, bytes));
            }
            return content;
        } catch (IOException e) {
            throw new SnapshotCorrupt(name(file), "cannot be read", e);
        }
    }

    static void writeSynced(Path file, byte[] content) {
        try (var channel =
                FileChannel.open(
                        file,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.WRITE,
                        StandardOpenOption.TRUNCATE_EXISTING)) {
            var buffer = ByteBuffer.wrap(content);
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
            channel.force(true);
        } catch (IOException e) {
            throw new StoreFailed("write " + name(file), e);
        }
    }

    static void createFolder(Path folder) {
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw new StoreFailed("make folder " + name(folder), e);
        }
    }

    static void deleteTree(Path root) {
        try (var tree = Files.walk(root)) {
            for (var path : tree.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        } catch (NoSuchFileException _) {
            return; // gone already, which is what was asked for
        } catch (IOException e) {
            throw new StoreFailed("delete " + name(root), e);
        }
    }

    static String name(Path path) {
        return String.valueOf(path.getFileName());
    }
}
