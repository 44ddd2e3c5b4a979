package dev.wrenn.snapshot;

import dev.wrenn.base.Loop;
import dev.wrenn.base.Resource;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Guest memory of a snapshot: its page map over mapped layers. Each frame of a layer is checked
 * against its checksum the first time one of its pages is asked for.
 *
 * <p>Thread-safe. The segments it hands out die with {@link #close()}, so whoever serves from it
 * stops first.
 */
public final class MemoryImage implements PageSource, Resource {
    private static final int PIECE_FRAMES = 8; // small enough for many requests at a time
    private static final int PIECE_PAGES = 16 * LayerFile.FRAME_PAGES;

    private final MemoryPlan plan;
    private final PageMap map;
    private final List<MappedLayer> layers;
    private final Arena arena;
    private final List<Loop> fetching = new CopyOnWriteArrayList<>();
    private volatile boolean isOpen = true; // by close(), read by the fetching threads

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
    static MemoryImage open(MemoryPlan plan, LayerFolder folder) {
        var arena = Arena.ofShared();
        var layers = new ArrayList<MappedLayer>();
        try {
            for (var entry : plan.manifest().layers()) {
                layers.add(folder.open(entry, arena));
            }
            return new MemoryImage(plan, layers, arena);
        } catch (RuntimeException e) {
            layers.forEach(MappedLayer::close);
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

    /** Whether some of it lies in an archive only. */
    public boolean isPartial() {
        return layers.stream().anyMatch(MappedLayer::isPartial);
    }

    /**
     * Begins to fetch what a resume will touch, many requests at a time, in the background. Does
     * nothing for memory that is all here.
     */
    public void prefetch(WorkingSet workingSet) {
        background("prefetch", () -> fetch(framesOf(workingSet)));
    }

    /** Begins to fetch all the rest, so that the archive is not needed any more. */
    public void fill() {
        background(
                "fill",
                () -> {
                    for (var run : map.runs()) {
                        for (int done = 0; done < run.pages() && isOpen; done += PIECE_PAGES) {
                            layers.get(run.layer())
                                    .verify(
                                            run.layerPage() + done,
                                            Math.min(PIECE_PAGES, run.pages() - done));
                        }
                    }
                });
    }

    private void background(String name, Runnable work) {
        if (isPartial() && isOpen) {
            fetching.add(Loop.once(name, () -> unlessClosed(work)));
        }
    }

    /** What is cut off by closing is nobody's loss. */
    private void unlessClosed(Runnable work) {
        try {
            work.run();
        } catch (RuntimeException e) {
            if (isOpen) {
                throw e;
            }
        }
    }

    /** Neighbouring frames of a layer. */
    private record Frames(MappedLayer layer, int first, int count) {}

    private List<Frames> framesOf(WorkingSet workingSet) {
        var wanted = new LinkedHashMap<MappedLayer, BitSet>();
        for (int i = 0; i < workingSet.size(); i++) {
            long page = (long) workingSet.cluster(i) * WorkingSet.CLUSTER_PAGES;
            long end = Math.min(page + WorkingSet.CLUSTER_PAGES, map.pageCount());
            while (page < end) {
                int index = map.find((int) page);
                if (index < 0) {
                    page = map.startOf(-index - 1);
                    continue;
                }
                var run = map.runs().get(index);
                int first = run.layerPage() + (int) page - run.page();
                int last = run.layerPage() + (int) Math.min(end, run.end()) - run.page() - 1;
                wanted.computeIfAbsent(layers.get(run.layer()), _ -> new BitSet())
                        .set(first / LayerFile.FRAME_PAGES, last / LayerFile.FRAME_PAGES + 1);
                page = run.end();
            }
        }
        var pieces = new ArrayList<Frames>();
        wanted.forEach((layer, frames) -> {
            int from = frames.nextSetBit(0);
            while (from >= 0) {
                int to = Math.min(frames.nextClearBit(from), from + PIECE_FRAMES);
                pieces.add(new Frames(layer, from, to - from));
                from = frames.nextSetBit(to);
            }
        });
        return pieces;
    }

    private void fetch(List<Frames> pieces) {
        SideBySide.run(
                "prefetch",
                pieces,
                p -> {
                    if (isOpen) {
                        p.layer().verifyFrames(p.first(), p.count());
                    }
                });
    }

    /** Ends fetching and unmaps everything. */
    @Override
    public void close() {
        if (!isOpen) {
            return;
        }
        isOpen = false;
        fetching.forEach(Loop::close);
        layers.forEach(MappedLayer::close);
        arena.close();
    }
}
