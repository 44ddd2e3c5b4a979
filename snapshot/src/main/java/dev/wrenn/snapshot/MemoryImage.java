package dev.wrenn.snapshot;

import dev.wrenn.base.Resource;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Guest memory of a snapshot: its page map over mapped layers. Each frame of a layer is checked
 * against its checksum the first time one of its pages is asked for.
 *
 * <p>Thread-safe. The segments it hands out die with {@link #close()}, so whoever serves from it
 * stops first.
 */
public final class MemoryImage implements PageSource, Resource {
    private final MemoryPlan plan;
    private final PageMap map;
    private final List<MappedLayer> layers;
    private final Arena arena;

    private MemoryImage(MemoryPlan plan, List<MappedLayer> layers, Arena arena) {
        this.plan = plan;
        this.map = plan.map();
        this.layers = layers;
        this.arena = arena;
    }

    /**
     * Maps the layers.
     *
     * @throws SnapshotCorrupt if a file is missing, has another size, or a checksum table is not
     *     what was sealed; a layer that was touched since it was sealed is read whole
     */
    @SuppressWarnings("MustBeClosedChecker") // the arena is the image's, which closes it
    static MemoryImage open(MemoryPlan plan, Path layerFolder) {
        var arena = Arena.ofShared();
        try {
            var layers = new ArrayList<MappedLayer>();
            for (var entry : plan.manifest().layers()) {
                layers.add(MappedLayer.open(entry, layerFolder, arena));
            }
            return new MemoryImage(plan, layers, arena);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    @Override
    public long pageCount() {
        return map.pageCount();
    }

    @Override
    public Run run(long page, int maxPages) {
        int first = Math.toIntExact(page);
        int index = map.find(first);
        if (index < 0) {
            long end = Math.min(map.startOf(-index - 1), page + maxPages);
            return new Run.Zero((int) (end - page));
        }
        var found = map.runs().get(index);
        int skipped = first - found.page();
        int count = Math.min(maxPages, found.pages() - skipped);
        var layer = layers.get(found.layer());
        layer.verify(found.layerPage() + skipped, count);
        return new Run.Stored(count, layer.slice(found.layerPage() + skipped, count));
    }

    /** Where its pages lie. */
    MemoryPlan plan() {
        return plan;
    }

    /** Unmaps everything. */
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
