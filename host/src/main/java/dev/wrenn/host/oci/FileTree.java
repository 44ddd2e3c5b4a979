package dev.wrenn.host.oci;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;

/**
 * What the layers of an image make together, each laid over those below it (OCI image layer
 * specification): a tree of names in memory, without contents. A path is resolved inside of the
 * tree only, links included, so that nothing an image says can reach beyond it.
 */
final class FileTree {
    private static final String WHITEOUT = ".wh.";
    private static final String OPAQUE = ".wh..wh..opq";
    private static final int MOST_LINKS = 40;
    private static final int MOST_NODES = 500_000;
    private static final int LONGEST_PATH = 4096;

    /** Largest sum of file sizes: what fits on a root disk beside the file system's own data. */
    static final long MOST_BYTES = 4L << 30;

    private final Node root = new Node(Sort.FOLDER, -1);
    private int nodes;

    /** What a node is. */
    enum Sort {
        FILE,
        FOLDER,
        SYMBOLIC_LINK,
        DEVICE
    }

    /** A file, folder, link or device; a file may have several names. */
    static final class Node {
        final Sort sort;
        final int layer;
        final TreeMap<String, Node> children = new TreeMap<>();

        /**
         * What the archive said; an empty one stands for a folder that only follows from a path.
         */
        Optional<TarArchiveEntry> entry = Optional.empty();

        /** Which entry of its layer holds the content. */
        long ordinal = -1;

        Node(Sort sort, int layer) {
            this.sort = sort;
            this.layer = layer;
        }
    }

    Node root() {
        return root;
    }

    /**
     * Lays one entry over what is there.
     *
     * @param layer grows from the lowest layer up
     * @param ordinal which entry of its layer it is
     */
    void add(int layer, long ordinal, TarArchiveEntry entry) {
        var path = parts(entry.getName());
        if (path.isEmpty()) {
            root.entry = Optional.of(entry);
            return;
        }
        var name = path.removeLast();
        if (name.equals(OPAQUE)) {
            folder(path, layer).children.values().removeIf(child -> child.layer < layer);
        } else if (name.startsWith(WHITEOUT)) {
            var hidden = name.substring(WHITEOUT.length());
            folder(path, layer)
                    .children
                    .computeIfPresent(hidden, (_, child) -> child.layer < layer ? null : child);
        } else {
            put(folder(path, layer), name, node(layer, ordinal, entry));
        }
    }

    private static void put(Node parent, String name, Node node) {
        var before = parent.children.get(name);
        if (before != null && before.sort == Sort.FOLDER && node.sort == Sort.FOLDER) {
            node.children.putAll(before.children);
        }
        parent.children.put(name, node);
    }

    private Node node(int layer, long ordinal, TarArchiveEntry entry) {
        if (entry.isLink()) {
            var target = find(parts(entry.getLinkName()));
            return target.filter(t -> t.sort == Sort.FILE)
                    .orElseThrow(() ->
                            ImageRefused.hostile(
                                    "links %s to %s, which is no file in it"
                                            .formatted(entry.getName(), entry.getLinkName())));
        }
        if (++nodes > MOST_NODES) {
            throw ImageRefused.hostile("has more than " + MOST_NODES + " files");
        }
        var node = new Node(sortOf(entry), layer);
        node.entry = Optional.of(entry);
        node.ordinal = ordinal;
        return node;
    }

    // isFile() of Commons Compress is true for devices as well, so it comes last.
    private static Sort sortOf(TarArchiveEntry entry) {
        if (entry.isDirectory()) {
            return Sort.FOLDER;
        }
        if (entry.isSymbolicLink()) {
            return Sort.SYMBOLIC_LINK;
        }
        if (entry.isCharacterDevice() || entry.isBlockDevice() || entry.isFIFO()) {
            return Sort.DEVICE;
        }
        return Sort.FILE;
    }

    /** The parts of a path; {@code ..} is refused, since no honest layer needs it. */
    private static ArrayDeque<String> parts(String path) {
        if (path.length() > LONGEST_PATH || path.indexOf('\0') >= 0) {
            throw ImageRefused.hostile("holds a path that no file system takes");
        }
        var parts = new ArrayDeque<String>();
        for (var part : path.split("/", -1)) {
            if (part.equals("..")) {
                throw ImageRefused.hostile("holds the path " + path + ", which leads out of it");
            }
            if (!part.isEmpty() && !part.equals(".")) {
                parts.add(part);
            }
        }
        return parts;
    }

    /** The folder at that path, made where it is missing; links on the way are followed. */
    private Node folder(Deque<String> path, int layer) {
        return walk(path, Optional.of(layer))
                .orElseThrow(() -> ImageRefused.hostile("has a path through something no folder"));
    }

    /** The folder at that path, made where it is missing. */
    Node folder(String path) {
        return folder(parts(path), Integer.MAX_VALUE);
    }

    private Optional<Node> find(ArrayDeque<String> path) {
        if (path.isEmpty()) {
            return Optional.of(root);
        }
        var name = path.removeLast();
        return walk(path, Optional.empty())
                .flatMap(parent -> Optional.ofNullable(parent.children.get(name)));
    }

    /**
     * Walks as the kernel would with this tree as its root (path_resolution(7)).
     *
     * @param make layer of folders that are made where they are missing
     */
    private Optional<Node> walk(Deque<String> path, Optional<Integer> make) {
        var trail = new ArrayDeque<Node>(List.of(root));
        var left = new ArrayDeque<>(path);
        int links = 0;
        while (!left.isEmpty()) {
            var name = left.removeFirst();
            var here = trail.getLast();
            if (name.equals("..")) {
                if (trail.size() > 1) {
                    trail.removeLast();
                }
                continue;
            }
            var next = here.children.get(name);
            if (next == null && make.isPresent()) {
                next = new Node(Sort.FOLDER, make.get());
                here.children.put(name, next);
            }
            if (next == null) {
                return Optional.empty();
            }
            switch (next.sort) {
                case FOLDER -> trail.addLast(next);
                case SYMBOLIC_LINK -> {
                    if (++links > MOST_LINKS) {
                        throw ImageRefused.hostile("has links that lead in a circle");
                    }
                    var target = next.entry.map(TarArchiveEntry::getLinkName).orElse("");
                    if (target.startsWith("/")) {
                        trail = new ArrayDeque<>(List.of(root));
                    }
                    var parts = new ArrayList<>(Arrays.asList(target.split("/", -1)));
                    parts.removeIf(part -> part.isEmpty() || part.equals("."));
                    for (int i = parts.size() - 1; i >= 0; i--) {
                        left.addFirst(parts.get(i));
                    }
                }
                case FILE, DEVICE -> {
                    return Optional.empty();
                }
            }
        }
        return Optional.of(trail.getLast());
    }

    /** Called for every name; folders before what is in them. */
    interface Visitor {
        void visit(String path, Node node);
    }

    void visit(Visitor visitor) {
        visit("", root, visitor);
    }

    private static void visit(String prefix, Node folder, Visitor visitor) {
        for (Map.Entry<String, Node> child : folder.children.entrySet()) {
            var path = prefix + child.getKey();
            visitor.visit(path, child.getValue());
            if (child.getValue().sort == Sort.FOLDER) {
                visit(path + "/", child.getValue(), visitor);
            }
        }
    }
}
