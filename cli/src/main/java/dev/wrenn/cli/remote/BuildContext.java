package dev.wrenn.cli.remote;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.FileSystems;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.apache.commons.compress.compressors.gzip.GzipCompressorOutputStream;

/**
 * The folder that a recipe copies from, packed for the server. What {@code .wrennignore} in it
 * names (one glob a line, relative to the folder) stays out, and so does {@code .git}.
 */
final class BuildContext {
    private static final String IGNORED = ".wrennignore";

    private final Path folder;
    private final List<PathMatcher> ignored = new ArrayList<>();

    BuildContext(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            throw new WrennException(Kind.ABSENT, folder + " is no folder to copy from");
        }
        this.folder = folder;
        ignore(".git");
        var list = folder.resolve(IGNORED);
        if (Files.exists(list)) {
            for (var line : Files.readAllLines(list)) {
                if (!line.isBlank() && !line.startsWith("#")) {
                    ignore(line.strip().replaceFirst("/+$", ""));
                }
            }
        }
    }

    private void ignore(String glob) {
        ignored.add(FileSystems.getDefault().getPathMatcher("glob:" + glob));
    }

    /** Writes a tar.gz with paths relative to the folder. */
    void pack(OutputStream out) throws IOException {
        try (var tar = new TarArchiveOutputStream(new GzipCompressorOutputStream(out), "UTF-8")) {
            tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
            tar.setBigNumberMode(TarArchiveOutputStream.BIGNUMBER_POSIX);
            Files.walkFileTree(
                    folder,
                    new SimpleFileVisitor<>() {
                        @Override
                        public FileVisitResult preVisitDirectory(
                                Path path, BasicFileAttributes attributes) throws IOException {
                            if (path.equals(folder)) {
                                return FileVisitResult.CONTINUE;
                            }
                            if (isIgnored(path)) {
                                return FileVisitResult.SKIP_SUBTREE;
                            }
                            add(tar, path, attributes);
                            return FileVisitResult.CONTINUE;
                        }

                        @Override
                        public FileVisitResult visitFile(Path path, BasicFileAttributes attributes)
                                throws IOException {
                            if (!isIgnored(path)) {
                                add(tar, path, attributes);
                            }
                            return FileVisitResult.CONTINUE;
                        }
                    });
        }
    }

    private boolean isIgnored(Path path) {
        var relative = folder.relativize(path);
        return ignored.stream().anyMatch(m -> m.matches(relative));
    }

    private void add(TarArchiveOutputStream tar, Path path, BasicFileAttributes attributes)
            throws IOException {
        var name = folder.relativize(path).toString();
        if (attributes.isSymbolicLink()) {
            var entry = new TarArchiveEntry(name, TarConstants.LF_SYMLINK);
            entry.setLinkName(Files.readSymbolicLink(path).toString());
            tar.putArchiveEntry(entry);
        } else if (attributes.isDirectory()) {
            tar.putArchiveEntry(described(new TarArchiveEntry(name + "/"), path));
        } else if (attributes.isRegularFile()) {
            var entry = described(new TarArchiveEntry(name), path);
            entry.setSize(attributes.size());
            tar.putArchiveEntry(entry);
            Files.copy(path, tar);
        } else {
            return; // sockets and the like: nothing a recipe could copy
        }
        tar.closeArchiveEntry();
    }

    /** Only the mode travels: an owner of this machine means nothing in a capsule. */
    private static TarArchiveEntry described(TarArchiveEntry entry, Path path) throws IOException {
        var permissions = Files.getPosixFilePermissions(path, LinkOption.NOFOLLOW_LINKS);
        entry.setMode(mode(permissions));
        entry.setModTime(Files.getLastModifiedTime(path, LinkOption.NOFOLLOW_LINKS));
        return entry;
    }

    private static int mode(Set<PosixFilePermission> permissions) {
        var text = PosixFilePermissions.toString(permissions);
        int mode = 0;
        for (int i = 0; i < text.length(); i++) {
            mode = mode << 1 | (text.charAt(i) == '-' ? 0 : 1);
        }
        return mode;
    }
}
