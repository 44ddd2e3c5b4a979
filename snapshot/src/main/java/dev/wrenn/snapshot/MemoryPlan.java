package dev.wrenn.snapshot;

import java.nio.file.Path;

/**
 * Where the pages of a snapshot lie: a manifest and the page map it names, of one instant.
 *
 * @param manifest names the layers
 * @param map of pages onto those layers
 */
record MemoryPlan(Manifest manifest, PageMap map) {
    /**
     * Reads the page map that a manifest names.
     *
     * @throws SnapshotCorrupt if it is missing or not what was written
     */
    static MemoryPlan read(Manifest manifest, Path folder) {
        return new MemoryPlan(
                manifest,
                PageMap.decode(
                        manifest.map(),
                        SnapshotFiles.read(folder.resolve(manifest.map()), manifest.mapBytes()),
                        manifest.pageCount(),
                        manifest.layers().stream().mapToInt(Manifest.LayerEntry::pages).toArray()));
    }
}
