package dev.wrenn.simhost;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.FileChange;
import dev.wrenn.contract.guest.FileContent;
import dev.wrenn.contract.guest.FileEntry;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.Channels;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The file system of a simulated guest: a folder of this machine that it takes for its root.
 * Watches see what is changed through sessions, not what programs do.
 */
final class SimFiles {
    private static final String HOME = "/root";

    private final Path root;
    private final FailPoints failPoints;
    private final Set<SimWatch> watches = ConcurrentHashMap.newKeySet();

    /** The work on one path. */
    private interface Work<T> {
        T on(Path path) throws IOException;
    }

    SimFiles(Path root, FailPoints failPoints) {
        this.root = root;
        this.failPoints = failPoints;
    }

    Path home() {
        return at(HOME, Files::createDirectories);
    }

    Path directory(String path) {
        return at(
                path,
                p -> {
                    if (!Files.isDirectory(p)) {
                        throw invalid("'%s' is not a directory".formatted(shown(p)));
                    }
                    return p;
                });
    }

    FileContent read(String path, long offset) {
        failPoints.pass(FailPoint.OPEN_FILE);
        return at(
                path,
                p -> {
                    var attributes = Files.readAttributes(p, PosixFileAttributes.class);
                    if (!attributes.isRegularFile()) {
                        throw invalid("path '%s' is not a regular file".formatted(shown(p)));
                    }
                    if (offset > 0 && offset >= attributes.size()) {
                        throw invalid(
                                "path '%s' has only %d bytes"
                                        .formatted(shown(p), attributes.size()));
                    }
                    var channel = Files.newByteChannel(p).position(offset);
                    return new FileContent(
                            new Observed(Channels.newInputStream(channel), failPoints),
                            OptionalLong.of(attributes.size() - offset));
                });
    }

    void write(String path, long offset, InputStream content) {
        failPoints.pass(FailPoint.WRITE_FILE);
        at(
                path,
                p -> {
                    makeParents(p);
                    if (Files.isDirectory(p)) {
                        throw invalid("path '%s' is a directory".formatted(shown(p)));
                    }
                    boolean isNew = !Files.exists(p);
                    try (var file =
                            Files.newByteChannel(
                                    p, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
                        if (offset > file.size()) {
                            throw invalid(
                                    "path '%s' has only %d bytes".formatted(shown(p), file.size()));
                        }
                        if (isNew) {
                            tell(FileChange.Kind.CREATE, p);
                        }
                        file.truncate(offset).position(offset);
                        return content.transferTo(Channels.newOutputStream(file));
                    } finally {
                        tell(FileChange.Kind.WRITE, p);
                    }
                });
    }

    FileEntry stat(String path) {
        return at(path, this::entry);
    }

    List<FileEntry> list(String path, int depth) {
        return at(
                path,
                p -> {
                    if (!Files.readAttributes(p, PosixFileAttributes.class).isDirectory()) {
                        throw invalid("path '%s' is not a directory".formatted(shown(p)));
                    }
                    try (var found = Files.walk(p, depth)) {
                        return found.filter(f -> !f.equals(p))
                                .map(this::entryUnchecked)
                                .flatMap(Optional::stream)
                                .sorted(Comparator.comparing(FileEntry::path))
                                .toList();
                    }
                });
    }

    FileEntry makeDirectory(String path) {
        return at(
                path,
                p -> {
                    if (Files.isDirectory(p)) {
                        throw new WrennException(
                                Kind.CONFLICT, "directory '%s' exists already".formatted(shown(p)));
                    }
                    if (Files.exists(p)) {
                        throw invalid(
                                "path '%s' exists and is not a directory".formatted(shown(p)));
                    }
                    Files.createDirectories(p);
                    tell(FileChange.Kind.CREATE, p);
                    return entry(p);
                });
    }

    FileEntry changeMode(String path, int mode) {
        return at(
                path,
                p -> {
                    if (mode < 0 || mode > 07777) {
                        throw invalid("mode %o has more than the permission bits".formatted(mode));
                    }
                    Files.setAttribute(p, "unix:mode", mode);
                    tell(FileChange.Kind.CHMOD, p);
                    return entry(p);
                });
    }

    SimWatch watch(String path, boolean recursive) {
        return at(
                path,
                p -> {
                    if (!Files.readAttributes(p, PosixFileAttributes.class).isDirectory()) {
                        throw invalid("path '%s' is not a directory".formatted(shown(p)));
                    }
                    var watch = new SimWatch(p, recursive, failPoints, watches::remove);
                    watches.add(watch);
                    return watch;
                });
    }

    private void tell(FileChange.Kind kind, Path path) {
        watches.forEach(w -> w.tell(kind, path));
    }

    FileEntry move(String from, String to) {
        return at(
                from,
                source ->
                        at(
                                to,
                                target -> {
                                    entry(source);
                                    makeParents(target);
                                    Files.move(
                                            source,
                                            target,
                                            java.nio.file.StandardCopyOption.ATOMIC_MOVE);
                                    tell(FileChange.Kind.RENAME, source);
                                    tell(FileChange.Kind.CREATE, target);
                                    return entry(target);
                                }));
    }

    void remove(String path) {
        at(
                path,
                p -> {
                    entry(p);
                    if (p.equals(root)) {
                        throw invalid("the root directory cannot be removed");
                    }
                    Folders.delete(p);
                    tell(FileChange.Kind.REMOVE, p);
                    return p;
                });
    }

    /** Relative to the home; {@code ~} is the home, {@code ..} never leads out. */
    private Path place(String path) {
        var absolute = path;
        if (path.equals("~") || path.startsWith("~/")) {
            absolute = HOME + path.substring(1);
        } else if (!path.startsWith("/")) {
            absolute = HOME + "/" + path;
        }
        try {
            return root.resolve(Path.of("/").relativize(Path.of(absolute).normalize()));
        } catch (InvalidPathException e) {
            throw new WrennException(Kind.INVALID, "that is no path", e);
        }
    }

    private <T> T at(String path, Work<T> work) {
        var place = place(path);
        try {
            return work.on(place);
        } catch (NoSuchFileException e) {
            throw new WrennException(
                    Kind.ABSENT, "path '%s' does not exist".formatted(shown(place)), e);
        } catch (FileAlreadyExistsException | AccessDeniedException e) {
            throw new WrennException(
                    Kind.INVALID, "path '%s' cannot be used".formatted(shown(place)), e);
        } catch (FileSystemException e) {
            throw new WrennException(
                    Kind.INVALID,
                    "path '%s': %s".formatted(shown(place), String.valueOf(e.getReason())),
                    e);
        } catch (IOException e) {
            throw new WrennException(
                    Kind.UNAVAILABLE, "path '%s' broke off".formatted(shown(place)), e);
        }
    }

    private static void makeParents(Path path) throws IOException {
        var parent = path.getParent();
        if (parent != null) {
            Files.createDirectories(parent);
        }
    }

    private Optional<FileEntry> entryUnchecked(Path path) {
        try {
            return Optional.of(entry(path));
        } catch (NoSuchFileException _) {
            return Optional.empty(); // gone since it was listed
        } catch (IOException e) {
            throw new WrennException(
                    Kind.UNAVAILABLE, "path '%s' cannot be described".formatted(shown(path)), e);
        }
    }

    /** As the guest agent does: of a link, type, mode and size are its target's. */
    private FileEntry entry(Path path) throws IOException {
        var own = Files.readAttributes(path, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
        boolean leads = !own.isSymbolicLink() || Files.exists(path);
        var seen = leads ? Files.readAttributes(path, PosixFileAttributes.class) : own;
        int mode = (int) Files.getAttribute(path, "unix:mode", links(leads)) & 07777;
        var first = own.isSymbolicLink() ? "L" : own.isDirectory() ? "d" : "-";
        var name = path.equals(root) ? "/" : String.valueOf(path.getFileName());
        return new FileEntry(
                name,
                shown(path),
                seen.isDirectory() ? FileEntry.Type.DIRECTORY : FileEntry.Type.FILE,
                seen.size(),
                mode,
                first + PosixFilePermissions.toString(own.permissions()),
                own.owner().getName(),
                own.group().getName(),
                own.lastModifiedTime().toInstant(),
                own.isSymbolicLink()
                        ? Optional.of(shown(leads ? path.toRealPath() : path))
                        : Optional.empty());
    }

    private static LinkOption[] links(boolean follow) {
        return follow ? new LinkOption[0] : new LinkOption[] {LinkOption.NOFOLLOW_LINKS};
    }

    /** As the guest sees it. */
    private String shown(Path path) {
        return path.startsWith(root) ? "/" + root.relativize(path) : path.toString();
    }

    private static WrennException invalid(String message) {
        return new WrennException(Kind.INVALID, message);
    }

    /** Passes a fail point at every piece. */
    private static final class Observed extends java.io.FilterInputStream {
        private final FailPoints failPoints;

        Observed(InputStream in, FailPoints failPoints) {
            super(in);
            this.failPoints = failPoints;
        }

        @Override
        public int read(byte[] buffer, int offset, int length) throws IOException {
            try {
                failPoints.pass(FailPoint.READ_FILE);
            } catch (WrennException e) {
                throw new IOException("the transfer broke off", e);
            }
            return super.read(buffer, offset, length);
        }
    }
}
