package dev.wrenn.host.oci;

import dev.wrenn.base.Kind;
import dev.wrenn.host.oci.FileTree.Node;
import dev.wrenn.host.oci.FileTree.Sort;
import dev.wrenn.linux.FileTrouble;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;

/**
 * The layers of an image as one tar that can be unpacked into an empty folder without a thought:
 * every name is written once, below real folders only, and a hard link names a file that was
 * written before.
 */
final class MergedTar {
    private static final String XATTR = "SCHILY.xattr.";
    private static final int PERMISSIONS = 07777;
    private static final int FOLDER_MODE = 0755;
    private static final int SHARED_MODE = 01777;
    private static final int BUFFER_BYTES = 256 << 10;
    private static final char REPLACEMENT = '\ufffd';

    private final FileTree tree = new FileTree();
    private final List<Layer> layers;
    private long bytes;

    MergedTar(List<Layer> layers) {
        this.layers = List.copyOf(layers);
    }

    /**
     * Writes it.
     *
     * @param folders that must be there even if no layer has them
     */
    void write(Path into, List<String> folders) {
        try {
            for (int i = 0; i < layers.size(); i++) {
                read(i);
            }
            var temporary = tree.folder("tmp");
            if (temporary.entry.isEmpty()) {
                temporary.entry = Optional.of(folderEntry("tmp/", SHARED_MODE));
            }
            folders.forEach(tree::folder);
            try (var out =
                    new TarArchiveOutputStream(
                            new BufferedOutputStream(Files.newOutputStream(into), BUFFER_BYTES),
                            StandardCharsets.UTF_8.name())) {
                out.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
                out.setBigNumberMode(TarArchiveOutputStream.BIGNUMBER_POSIX);
                out.setAddPaxHeadersForNonAsciiNames(true);
                new Writer(out).write();
            }
        } catch (IOException | IllegalArgumentException e) {
            // Commons Compress reports broken archives as either.
            var full = FileTrouble.of(String.valueOf(e.getMessage())) == FileTrouble.FULL;
            throw new ImageRefused(
                    full ? Kind.EXHAUSTED : Kind.CORRUPT,
                    full ? "no room to unpack the image" : "a layer of the image is damaged",
                    e);
        }
    }

    private void read(int layer) throws IOException {
        try (var tar = layers.get(layer).open()) {
            long ordinal = 0;
            for (var entry = tar.getNextEntry(); entry != null; entry = tar.getNextEntry()) {
                if (Thread.currentThread().isInterrupted()) {
                    throw new ImageRefused(Kind.UNAVAILABLE, "unpacking was interrupted", null);
                }
                bytes += Math.max(0, entry.getRealSize());
                if (bytes > FileTree.MOST_BYTES) {
                    throw ImageRefused.hostile(
                            "unpacks to more than %d MiB".formatted(FileTree.MOST_BYTES >> 20));
                }
                tree.add(layer, ordinal++, entry);
            }
        }
    }

    private static TarArchiveEntry folderEntry(String path, int mode) {
        var entry = new TarArchiveEntry(path);
        entry.setMode(mode);
        entry.setIds(0, 0);
        entry.setModTime(0);
        return entry;
    }

    /** One pass over the tree, one over the layers, one over what links to what. */
    private final class Writer {
        private final TarArchiveOutputStream out;
        private final List<Map<Long, String>> wanted = new ArrayList<>();
        private final IdentityHashMap<Node, String> firstNames = new IdentityHashMap<>();
        private final Map<String, Node> later = new HashMap<>();

        Writer(TarArchiveOutputStream out) {
            this.out = out;
            layers.forEach(_ -> wanted.add(new HashMap<>()));
        }

        void write() throws IOException {
            var folders = new ArrayList<TarArchiveEntry>();
            folders.add(folder("./", tree.root()));
            tree.visit((path, node) -> {
                if (node.sort == Sort.FOLDER) {
                    folders.add(folder(path + "/", node));
                } else if (node.sort == Sort.FILE && firstNames.putIfAbsent(node, path) == null) {
                    wanted.get(node.layer).put(node.ordinal, path);
                } else {
                    later.put(path, node);
                }
            });
            for (var entry : folders) {
                put(entry);
            }
            for (int i = 0; i < layers.size(); i++) {
                copyFiles(layers.get(i), wanted.get(i));
            }
            for (var entry : later.entrySet()) {
                put(link(entry.getKey(), entry.getValue()));
            }
        }

        private TarArchiveEntry folder(String path, Node node) {
            var entry = folderEntry(path, FOLDER_MODE);
            node.entry.ifPresent(from -> describe(from, entry));
            return entry;
        }

        private void copyFiles(Layer layer, Map<Long, String> paths) throws IOException {
            if (paths.isEmpty()) {
                return;
            }
            try (var tar = layer.open()) {
                long ordinal = 0;
                for (var from = tar.getNextEntry(); from != null; from = tar.getNextEntry()) {
                    var path = paths.get(ordinal++);
                    if (path != null) {
                        copyFile(from, path, tar);
                    }
                }
            }
        }

        private void copyFile(TarArchiveEntry from, String path, InputStream content)
                throws IOException {
            var entry = new TarArchiveEntry(path);
            describe(from, entry);
            entry.setSize(from.getRealSize());
            out.putArchiveEntry(entry);
            content.transferTo(out);
            out.closeArchiveEntry();
        }

        private TarArchiveEntry link(String path, Node node) {
            var from = node.entry.orElseThrow();
            var entry =
                    switch (node.sort) {
                        case FILE -> linkTo(path, firstNames.getOrDefault(node, ""));
                        case SYMBOLIC_LINK -> symbolic(path, from);
                        case DEVICE -> device(path, from);
                        case FOLDER ->
                                throw new IllegalStateException("folders were written before");
                    };
            describe(from, entry);
            return entry;
        }

        private static TarArchiveEntry linkTo(String path, String target) {
            var entry = new TarArchiveEntry(path, TarConstants.LF_LINK);
            entry.setLinkName(target);
            return entry;
        }

        private static TarArchiveEntry symbolic(String path, TarArchiveEntry from) {
            var entry = new TarArchiveEntry(path, TarConstants.LF_SYMLINK);
            entry.setLinkName(from.getLinkName());
            return entry;
        }

        private static TarArchiveEntry device(String path, TarArchiveEntry from) {
            var entry = new TarArchiveEntry(path, from.getLinkFlag());
            entry.setDevMajor(from.getDevMajor());
            entry.setDevMinor(from.getDevMinor());
            return entry;
        }

        private void put(TarArchiveEntry entry) throws IOException {
            out.putArchiveEntry(entry);
            out.closeArchiveEntry();
        }
    }

    private static void describe(TarArchiveEntry from, TarArchiveEntry to) {
        to.setMode(from.getMode() & PERMISSIONS);
        to.setUserId(from.getLongUserId());
        to.setGroupId(from.getLongGroupId());
        to.setModTime(from.getLastModifiedTime());
        from.getExtraPaxHeaders()
                .forEach((name, value) -> {
                    // A value that is no text was spoilt when it was read: better none than a wrong
                    // one.
                    if (name.startsWith(XATTR) && value.indexOf(REPLACEMENT) < 0) {
                        to.addPaxHeader(name, value);
                    }
                });
    }
}
