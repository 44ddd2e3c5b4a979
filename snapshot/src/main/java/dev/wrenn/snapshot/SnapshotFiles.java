package dev.wrenn.snapshot;

import dev.wrenn.base.Command;
import dev.wrenn.linux.FileSync;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import org.jspecify.annotations.Nullable;

/** Names and plain access of the files of a store. */
final class SnapshotFiles {
    static final String MANIFEST = "manifest.json";
    static final String VM_STATE = "vmstate";
    static final String MAP = "memory.map";
    static final String DISK = "disk.raw";
    static final String ARCHIVED = "archived.json";
    static final String DISK_SUMS = "disk.sums";
    static final String WORKING_SET = "working-set";

    private SnapshotFiles() {}

    static String layerFile(String layer) {
        return layer + ".layer";
    }

    /** Name of the layer that a snapshot adds. */
    static String layerOf(SnapshotId id) {
        return id.text().replace("snap-", "layer-");
    }

    /** Name for the page map that replaces one of that name. */
    static String nextMap(String map) {
        var number = map.replaceAll("[^0-9]", "");
        return "memory-%d.map".formatted(number.isEmpty() ? 1 : Long.parseLong(number) + 1);
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

    /** Replaces a file in one step: whoever reads it sees the old or the new content. */
    static void replace(Path file, byte[] content) {
        var aside = file.resolveSibling(name(file) + ".new");
        writeSynced(aside, content);
        FileSync.rename(aside, file);
    }

    static void createFolder(Path folder) {
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw new StoreFailed("make folder " + name(folder), e);
        }
    }

    /** Deletes a file or a folder with all in it; others may be doing the same. */
    static void deleteTree(Path root) {
        try {
            Files.walkFileTree(
                    root,
                    new SimpleFileVisitor<>() {
                        @Override
                        public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                                throws IOException {
                            Files.deleteIfExists(file);
                            return FileVisitResult.CONTINUE;
                        }

                        @Override
                        public FileVisitResult visitFileFailed(Path file, IOException failure)
                                throws IOException {
                            if (failure instanceof NoSuchFileException) {
                                return FileVisitResult.CONTINUE;
                            }
                            throw failure;
                        }

                        @Override
                        public FileVisitResult postVisitDirectory(
                                Path folder, @Nullable IOException failure) throws IOException {
                            if (failure != null && !(failure instanceof NoSuchFileException)) {
                                throw failure;
                            }
                            Files.deleteIfExists(folder);
                            return FileVisitResult.CONTINUE;
                        }
                    });
        } catch (IOException e) {
            throw new StoreFailed("delete " + name(root), e);
        }
    }

    static String name(Path path) {
        return String.valueOf(path.getFileName());
    }

    /** Bytes of the device that a file occupies. */
    static long allocated(Path file) {
        // du(1) knows the blocks a file occupies; the JDK only tells its size.
        var output = Command.of("du", "-k", file.toString()).run().stdout();
        return Long.parseLong(output.substring(0, output.indexOf('\t'))) << 10;
    }
}
