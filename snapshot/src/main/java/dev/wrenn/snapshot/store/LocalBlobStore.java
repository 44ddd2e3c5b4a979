package dev.wrenn.snapshot.store;

import dev.wrenn.base.Kind;
import dev.wrenn.linux.FileSync;
import dev.wrenn.linux.FileTrouble;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;

/**
 * Blobs as files of a folder, which may be a mounted share. Written aside, synced and renamed;
 * {@link #putIfAbsent} links, which fails if the name is taken (link(2)).
 */
public final class LocalBlobStore implements BlobStore {
    private static final String ASIDE = ".aside";

    private final Path root;
    private final Path aside;

    /** Opens the folder, and makes it. */
    public LocalBlobStore(Path root) {
        this.root = root;
        this.aside = root.resolve(ASIDE);
        try {
            Files.createDirectories(aside);
        } catch (IOException e) {
            throw failed("use the folder " + root, e);
        }
    }

    @Override
    public void put(BlobName name, Path content) {
        var _ =
                write(
                        name,
                        target -> Files.copy(content, target, StandardCopyOption.REPLACE_EXISTING),
                        LocalBlobStore::replace);
    }

    @Override
    public void put(BlobName name, byte[] content) {
        var _ = write(name, target -> Files.write(target, content), LocalBlobStore::replace);
    }

    @Override
    public boolean putIfAbsent(BlobName name, byte[] content) {
        return write(name, target -> Files.write(target, content), LocalBlobStore::link)
                || get(name).filter(found -> Arrays.equals(found, content)).isPresent();
    }

    private interface Content {
        Object writeTo(Path file) throws IOException;
    }

    private interface Publication {
        boolean publish(Path from, Path to) throws IOException;
    }

    private boolean write(BlobName name, Content content, Publication publication) {
        var temporary = aside.resolve(UUID.randomUUID().toString());
        try {
            content.writeTo(temporary);
            FileSync.file(temporary);
            var target = file(name);
            var folder = Objects.requireNonNull(target.getParent());
            Files.createDirectories(folder);
            boolean isPublished = publication.publish(temporary, target);
            FileSync.folder(folder);
            return isPublished;
        } catch (IOException e) {
            throw failed("store " + name, e);
        } finally {
            delete(temporary);
        }
    }

    private static boolean replace(Path from, Path to) throws IOException {
        Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        return true;
    }

    private static boolean link(Path from, Path to) throws IOException {
        try {
            Files.createLink(to, from);
            return true;
        } catch (FileAlreadyExistsException _) {
            return false;
        }
    }

    @Override
    public Optional<byte[]> get(BlobName name) {
        try {
            return Optional.of(Files.readAllBytes(file(name)));
        } catch (NoSuchFileException _) {
            return Optional.empty();
        } catch (IOException e) {
            throw failed("read " + name, e);
        }
    }

    @Override
    public void read(BlobName name, long offset, ByteBuffer target) {
        try (var channel = FileChannel.open(file(name), StandardOpenOption.READ)) {
            long at = offset;
            while (target.hasRemaining()) {
                int count = channel.read(target, at);
                if (count < 0) {
                    throw new BlobStoreFailed(
                            Kind.CORRUPT, "read " + name, "it ends at byte " + at, null);
                }
                at += count;
            }
        } catch (NoSuchFileException e) {
            throw new BlobAbsent(name, e);
        } catch (IOException e) {
            throw failed("read " + name, e);
        }
    }

    @Override
    public Optional<Long> size(BlobName name) {
        try {
            return Optional.of(Files.size(file(name)));
        } catch (NoSuchFileException _) {
            return Optional.empty();
        } catch (IOException e) {
            throw failed("look at " + name, e);
        }
    }

    @Override
    public Set<BlobName> list(String prefix) {
        var names = new TreeSet<BlobName>();
        try {
            Files.walkFileTree(
                    root,
                    new SimpleFileVisitor<>() {
                        @Override
                        public FileVisitResult preVisitDirectory(
                                Path folder, BasicFileAttributes attributes) {
                            return folder.equals(aside)
                                    ? FileVisitResult.SKIP_SUBTREE
                                    : FileVisitResult.CONTINUE;
                        }

                        @Override
                        public FileVisitResult visitFile(
                                Path file, BasicFileAttributes attributes) {
                            var name = root.relativize(file).toString();
                            if (name.startsWith(prefix)) {
                                names.add(new BlobName(name));
                            }
                            return FileVisitResult.CONTINUE;
                        }

                        @Override
                        public FileVisitResult visitFileFailed(Path file, IOException failure)
                                throws IOException {
                            if (failure instanceof NoSuchFileException) {
                                return FileVisitResult.CONTINUE; // deleted meanwhile
                            }
                            throw failure;
                        }
                    });
        } catch (IOException e) {
            throw failed("list blobs", e);
        }
        return names;
    }

    @Override
    public void delete(BlobName name) {
        delete(file(name));
    }

    private static void delete(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (DirectoryNotEmptyException e) {
            throw new IllegalArgumentException("a part of a name is no blob: " + file, e);
        } catch (IOException e) {
            throw failed("delete " + file.getFileName(), e);
        }
    }

    private Path file(BlobName name) {
        return root.resolve(name.text());
    }

    private static BlobStoreFailed failed(String attempt, IOException cause) {
        boolean isFull = FileTrouble.of(cause) == FileTrouble.FULL;
        return new BlobStoreFailed(
                isFull ? Kind.EXHAUSTED : Kind.UNAVAILABLE,
                attempt,
                isFull ? "the disk is full" : "",
                cause);
    }

    @Override
    public String describe() {
        return "folder " + root;
    }

    @Override
    public void close() {}
}
