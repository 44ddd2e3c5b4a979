package dev.wrenn.snapshot;

import dev.wrenn.base.UndoStack;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.FileSync;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Bounds in how many layers the memory of a snapshot lies, and how much of a layer nobody reads.
 *
 * <p>It merges layers, not snapshots: the pages of the chosen layers that any snapshot still reads
 * go into one new layer, once each, and every snapshot that named an old layer names the new one
 * instead. So a history of a hundred checkpoints that share pages takes no more room afterwards,
 * and is as quick to open as a fresh snapshot. A snapshot that is too deep gives up its smallest
 * layers; the large one it shares with its template stays where it is, so that a page is copied
 * about as often as the logarithm of its snapshot's size says, not once per pause.
 *
 * <p>Each snapshot changes over by itself: new page map, then the manifest in one step. Killed
 * anywhere, it leaves every snapshot with its old layers or with the new one, and files that the
 * next collection removes.
 */
final class Compaction {
    private static final Logger LOG = LoggerFactory.getLogger(Compaction.class);

    /** A snapshot with more layers is compacted... */
    static final int MAX_DEPTH = 8;

    /** ... to this many. */
    static final int TARGET_DEPTH = 4;

    /** A layer of which less than half is read is rewritten, if it is worth it. */
    private static final int WORTHWHILE_PAGES = 256;

    /** So all layers together are at most twice what is read, and this much for each. */
    static final long SPARED_BYTES = LayerFile.fileBytes(WORTHWHILE_PAGES);

    private static final int MOST_STEPS = 64; // then others have their turn

    private final SnapshotStore store;
    private final Map<SnapshotId, MemoryPlan> plans = new LinkedHashMap<>();

    Compaction(SnapshotStore store) {
        this.store = store;
    }

    /** Pages of a layer that some snapshot reads. */
    private record Use(Manifest.LayerEntry layer, BitSet live) {
        boolean isSparse() {
            return layer.pages() >= WORTHWHILE_PAGES && 2 * live.cardinality() < layer.pages();
        }
    }

    /**
     * Merges as long as there is something worth it.
     *
     * @return how many merges were done
     */
    int run() {
        takeStock();
        int steps = 0;
        while (steps < MOST_STEPS) {
            var uses = uses();
            var victims = victims(uses);
            if (victims.isEmpty()) {
                break;
            }
            merge(victims);
            steps++;
        }
        return steps;
    }

    /** Newest first, so that the newest snapshot has its pages in order. */
    private void takeStock() {
        var found = new ArrayList<MemoryPlan>();
        store.list().forEach(id -> readable(id).ifPresent(found::add));
        found.sort(
                Comparator.comparing((MemoryPlan p) -> p.manifest().createdAt())
                        .reversed()
                        .thenComparing(p -> p.manifest().snapshot()));
        found.forEach(p -> plans.put(p.manifest().id(), p));
    }

    private Optional<MemoryPlan> readable(SnapshotId id) {
        try {
            return Optional.of(store.memory(id));
        } catch (SnapshotAbsent _) {
            return Optional.empty(); // deleted meanwhile
        } catch (SnapshotCorrupt e) {
            LOG.atWarn().setCause(e).addKeyValue("snapshot", id).log("left as it is");
            return Optional.empty();
        }
    }

    private Map<String, Use> uses() {
        var uses = new HashMap<String, Use>();
        for (var plan : plans.values()) {
            var layers = plan.manifest().layers();
            layers.forEach(l -> uses.putIfAbsent(l.layer(), new Use(l, new BitSet())));
            for (var run : plan.map().runs()) {
                use(uses, layers.get(run.layer()))
                        .live()
                        .set(run.layerPage(), run.layerPage() + run.pages());
            }
        }
        return uses;
    }

    private static Use use(Map<String, Use> uses, Manifest.LayerEntry layer) {
        return java.util.Objects.requireNonNull(uses.get(layer.layer()));
    }

    private List<Use> victims(Map<String, Use> uses) {
        for (var plan : plans.values()) {
            int depth = plan.manifest().layers().size();
            if (depth > MAX_DEPTH) {
                return plan.manifest().layers().stream()
                        .map(l -> use(uses, l))
                        .sorted(Comparator.comparingInt((Use u) -> u.live().cardinality()))
                        .limit(depth - TARGET_DEPTH + 1L)
                        .toList();
            }
        }
        return uses.values().stream().filter(Use::isSparse).limit(1).toList();
    }

    /** Where the pages of old layers go. */
    private static final class Relocation {
        final Map<String, int[]> places = new HashMap<>();

        Relocation(List<Use> victims) {
            for (var victim : victims) {
                var pages = new int[victim.layer().pages()];
                Arrays.fill(pages, -1);
                places.put(victim.layer().layer(), pages);
            }
        }

        boolean concerns(Manifest manifest) {
            return manifest.layers().stream().anyMatch(l -> places.containsKey(l.layer()));
        }
    }

    private void merge(List<Use> victims) {
        var relocation = new Relocation(victims);
        var name = SnapshotFiles.layerOf(SnapshotId.random());
        store.pins().pin(this, List.of(name));
        try {
            var merged = write(victims, relocation, name);
            for (var plan : List.copyOf(plans.values())) {
                if (relocation.concerns(plan.manifest())) {
                    changeOver(plan, relocation, merged);
                }
            }
            LOG.atInfo()
                    .addKeyValue("layers", victims.size())
                    .addKeyValue(
                            "pages_before", victims.stream().mapToInt(v -> v.layer().pages()).sum())
                    .addKeyValue("pages", merged.pages())
                    .log("layers merged");
        } finally {
            store.pins().release(this);
        }
    }

    private Manifest.LayerEntry write(List<Use> victims, Relocation relocation, String name) {
        var file = store.layers().complete(name);
        LayerOutput.Finished finished;
        try (var arena = Arena.ofConfined();
                var opened = new UndoStack();
                var output = new LayerOutput(file)) {
            var mapped = new HashMap<String, MappedLayer>();
            for (var victim : victims) {
                mapped.put(
                        victim.layer().layer(),
                        opened.hold(store.layers().open(victim.layer(), arena)));
            }
            for (var plan : plans.values()) {
                copy(plan, mapped, relocation, output);
            }
            finished = output.finish();
        } catch (RuntimeException e) {
            SnapshotFiles.deleteTree(file);
            throw e;
        }
        FileSync.file(file);
        FileSync.folder(store.layers().path());
        var identity = FileIdentity.of(file);
        return new Manifest.LayerEntry(
                name,
                finished.pages(),
                finished.tableCrc(),
                identity.modifiedNanos(),
                identity.changedNanos());
    }

    /** Copies what this snapshot reads of the old layers and no one before it did. */
    private static void copy(
            MemoryPlan plan,
            Map<String, MappedLayer> mapped,
            Relocation relocation,
            LayerOutput output) {
        var layers = plan.manifest().layers();
        for (var run : plan.map().runs()) {
            var layer = layers.get(run.layer()).layer();
            var source = mapped.get(layer);
            var places = relocation.places.get(layer);
            if (source == null || places == null) {
                continue;
            }
            source.verify(run.layerPage(), run.pages());
            for (int page = run.layerPage(); page < run.layerPage() + run.pages(); page++) {
                if (places[page] < 0) {
                    places[page] = output.append(source.slice(page, 1));
                }
            }
        }
    }

    private void changeOver(MemoryPlan plan, Relocation relocation, Manifest.LayerEntry merged) {
        var old = plan.manifest();
        var kept =
                old.layers().stream()
                        .filter(l -> !relocation.places.containsKey(l.layer()))
                        .collect(Collectors.toCollection(ArrayList::new));
        kept.add(merged);
        var newIndex = new HashMap<String, Integer>();
        for (int i = 0; i < kept.size(); i++) {
            newIndex.put(kept.get(i).layer(), i);
        }
        int mergedIndex = kept.size() - 1;
        var map =
                plan.map()
                        .moved((layer, layerPage) -> {
                            var name = old.layers().get(layer).layer();
                            var places = relocation.places.get(name);
                            return places == null
                                    ? new PageMap.Place(
                                            newIndex.getOrDefault(name, mergedIndex), layerPage)
                                    : new PageMap.Place(mergedIndex, places[layerPage]);
                        });
        var bytes = map.encode();
        var manifest = old.withMemory(kept, SnapshotFiles.nextMap(old.map()), bytes.length);
        var id = old.id();
        try {
            store.replaceMemory(id, manifest, bytes);
            plans.put(id, new MemoryPlan(manifest, map));
        } catch (WrennException e) {
            if (store.exists(id)) {
                throw e;
            }
            plans.remove(id); // deleted meanwhile
        }
    }
}
