package dev.wrenn.snapshot;

import java.io.IOException;
import java.nio.file.Files;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Removes the files of layers that no manifest names and nobody pins. One at a time. */
final class LayerCollector {
    private static final Logger LOG = LoggerFactory.getLogger(LayerCollector.class);

    private final SnapshotStore store;

    LayerCollector(SnapshotStore store) {
        this.store = store;
    }

    /** Three looks in this order: see {@link LayerPins}. */
    void run() {
        store.pins().forgetReleased();
        var present = present();
        var needed = new HashSet<String>();
        for (var id : store.list()) {
            var named = namedBy(id);
            if (named.isEmpty()) {
                return;
            }
            needed.addAll(named.get());
        }
        needed.addAll(store.pins().layers());
        for (var file : present) {
            if (!needed.contains(LayerFolder.layerOf(file))) {
                SnapshotFiles.deleteTree(store.layers().path().resolve(file));
            }
        }
    }

    private List<String> present() {
        try (var files = Files.list(store.layers().path())) {
            return files.map(SnapshotFiles::name).toList();
        } catch (IOException e) {
            throw new StoreFailed("list layers", e);
        }
    }

    /** What a snapshot needs; nothing if it is gone, empty if nobody can tell. */
    private Optional<Set<String>> namedBy(SnapshotId id) {
        try {
            return Optional.of(
                    store.manifest(id).layers().stream()
                            .map(Manifest.LayerEntry::layer)
                            .collect(Collectors.toSet()));
        } catch (SnapshotAbsent _) {
            return Optional.of(Set.of()); // deleted meanwhile
        } catch (SnapshotCorrupt e) {
            // A manifest that is put back from a copy would need its layers again.
            LOG.atWarn()
                    .setCause(e)
                    .addKeyValue("snapshot", id)
                    .log("no layers are collected while a manifest is damaged");
            return Optional.empty();
        }
    }
}
