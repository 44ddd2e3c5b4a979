package dev.wrenn.snapshot;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;

/**
 * The layers of a store. A layer is complete ({@code LAYER.layer}), or it was brought back from an
 * archive and holds what was fetched so far ({@code LAYER.partial}). {@code LAYER.pack} says how
 * the archive has it.
 */
final class LayerFolder {
    private static final String COMPLETE = ".layer";
    private static final String PARTIAL = ".partial";
    private static final String PACK = ".pack";

    private final Path path;
    private final Optional<Archive> archive;

    LayerFolder(Path path, Optional<Archive> archive) {
        this.path = path;
        this.archive = archive;
    }

    Path path() {
        return path;
    }

    /** Where a complete layer lies. */
    Path complete(String layer) {
        return path.resolve(layer + COMPLETE);
    }

    /** Where a layer lies that is fetched frame by frame. */
    Path partial(String layer) {
        return path.resolve(layer + PARTIAL);
    }

    /** Where it is kept how the archive has a layer. */
    Path pack(String layer) {
        return path.resolve(layer + PACK);
    }

    /** The layer a file belongs to. */
    static String layerOf(String file) {
        int dot = file.indexOf('.');
        return dot < 0 ? file : file.substring(0, dot);
    }

    boolean isThere(String layer) {
        return Files.exists(complete(layer)) || Files.exists(partial(layer));
    }

    /** Whether only an archive has all of it, and none is at hand to fetch it from. */
    boolean isOutOfReach(String layer) {
        return archive.isEmpty() && !Files.exists(complete(layer)) && Files.exists(partial(layer));
    }

    /**
     * Maps a layer.
     *
     * @throws SnapshotCorrupt if it is not there or damaged
     */
    MappedLayer open(Manifest.LayerEntry entry, Arena arena) {
        var partial = partial(entry.layer());
        if (!Files.exists(complete(entry.layer())) && Files.exists(partial)) {
            var fetch =
                    archive.flatMap(a -> packed(entry.layer()).map(p -> a.fetch(p, partial)))
                            .orElseThrow(() ->
                                    new SnapshotCorrupt(
                                            entry.layer(),
                                            "is only in an archive that is not configured"));
            return MappedLayer.openPartial(entry, partial, arena, fetch);
        }
        return MappedLayer.open(entry, complete(entry.layer()), arena);
    }

    /**
     * How the archive has a layer; empty if it has not.
     *
     * @throws SnapshotCorrupt if that is damaged
     */
    Optional<PackedLayer> packed(String layer) {
        var file = pack(layer);
        try {
            var text = Files.readString(file, StandardCharsets.UTF_8);
            var name = SnapshotFiles.name(file);
            var packed = CheckedJson.as(name, CheckedJson.decode(name, text), PackedLayer.class);
            if (!packed.layer().equals(layer)) {
                throw new SnapshotCorrupt(name, "is of another layer");
            }
            return Optional.of(packed);
        } catch (NoSuchFileException _) {
            return Optional.empty();
        } catch (IOException e) {
            throw new SnapshotCorrupt(SnapshotFiles.name(file), "cannot be read", e);
        }
    }

    /** Remembers how the archive has a layer. */
    void remember(PackedLayer packed) {
        SnapshotFiles.replace(pack(packed.layer()), CheckedJson.encode(packed));
    }
}
