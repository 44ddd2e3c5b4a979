package dev.wrenn.snapshot;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Progress;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;

/**
 * Looks at a store from outside: what it holds, what that costs, and whether every byte of it is
 * still what was written. Only reads, and works beside a running host agent: a snapshot that goes
 * while it is looked at is left out. Thread-safe.
 */
public final class StoreAudit {
    private final SnapshotStore store;

    /** Of that store. */
    public StoreAudit(SnapshotStore store) {
        this.store = store;
    }

    /**
     * A snapshot at a glance.
     *
     * @param depth layers its memory lies in
     * @param storedBytes memory that is not zero
     * @param layerBytes size of the layers it lies in, shared or not
     * @param diskBytes size of its disk
     * @param isDiskSummed whether the disk's checksums exist already
     */
    public record Entry(
            String snapshot,
            String parent,
            String template,
            String createdAt,
            String vmm,
            int vcpus,
            long memoryBytes,
            int depth,
            long storedBytes,
            long layerBytes,
            long writtenBytes,
            long diskBytes,
            boolean isDiskSummed,
            int workingSetClusters) {
        /** Bytes that are kept for each byte of it, if nothing else needed them. */
        public double amplification() {
            return storedBytes == 0 ? 1 : layerBytes / (double) storedBytes;
        }
    }

    /**
     * Bytes of a file that are not what was written.
     *
     * @param snapshot that needs them
     * @param file where
     * @param what in words
     */
    public record Damage(String snapshot, String file, String what) {}

    /**
     * What the memory of all snapshots costs together.
     *
     * @param layers layer files that a snapshot names
     * @param layerBytes their size
     * @param liveBytes pages in them that some snapshot still reads
     * @param deepest most layers that one snapshot names
     */
    public record Space(int snapshots, int layers, long layerBytes, long liveBytes, int deepest) {
        /** Bytes stored for each byte that is still read; 1 for an empty store. */
        public double amplification() {
            return liveBytes == 0 ? 1 : layerBytes / (double) liveBytes;
        }
    }

    /** Every readable snapshot, oldest first. */
    public List<Entry> list() {
        var entries = new ArrayList<Entry>();
        store.list().forEach(id -> readable(() -> inspect(id)).ifPresent(entries::add));
        entries.sort(java.util.Comparator.comparing(Entry::createdAt));
        return entries;
    }

    private static <T> Optional<T> readable(Supplier<T> reading) {
        try {
            return Optional.of(reading.get());
        } catch (SnapshotAbsent | SnapshotCorrupt _) {
            return Optional.empty(); // gone meanwhile, or told by verify
        }
    }

    /**
     * One snapshot.
     *
     * @throws SnapshotAbsent if there is none
     * @throws SnapshotCorrupt if its manifest or page map is damaged
     */
    public Entry inspect(SnapshotId id) {
        var snapshot = store.openLocal(id);
        var memory = snapshot.memory();
        var manifest = memory.manifest();
        long stored = memory.map().runs().stream().mapToLong(PageMap.Run::pages).sum();
        return new Entry(
                id.text(),
                manifest.parent(),
                manifest.template(),
                manifest.createdAt(),
                manifest.vmm() + " " + manifest.vmmVersion(),
                manifest.vcpus(),
                manifest.memoryBytes(),
                manifest.layers().size(),
                stored * PageSource.PAGE_BYTES,
                manifest.layers().stream().mapToLong(l -> LayerFile.fileBytes(l.pages())).sum(),
                manifest.writtenBytes(),
                manifest.disk().bytes(),
                Files.exists(snapshot.file(SnapshotFiles.DISK_SUMS)),
                snapshot.workingSet().size());
    }

    /** What the layers cost; snapshots that cannot be read do not count. */
    public Space space() {
        var live = new HashMap<String, BitSet>();
        var pages = new HashMap<String, Integer>();
        int snapshots = 0;
        int deepest = 0;
        for (var id : store.list()) {
            var memory = readable(() -> store.memory(id));
            if (memory.isPresent()) {
                var layers = memory.get().manifest().layers();
                layers.forEach(l -> pages.put(l.layer(), l.pages()));
                memory.get()
                        .map()
                        .runs()
                        .forEach(r ->
                                live.computeIfAbsent(
                                                layers.get(r.layer()).layer(), _ -> new BitSet())
                                        .set(r.layerPage(), r.layerPage() + r.pages()));
                snapshots++;
                deepest = Math.max(deepest, layers.size());
            }
        }
        return new Space(
                snapshots,
                pages.size(),
                pages.values().stream().mapToLong(LayerFile::fileBytes).sum(),
                live.values().stream()
                        .mapToLong(b -> (long) b.cardinality() * PageSource.PAGE_BYTES)
                        .sum(),
                deepest);
    }

    /**
     * Reads every byte of these snapshots and of the layers they need.
     *
     * @return what is damaged; empty if nothing is
     */
    public List<Damage> verify(Collection<SnapshotId> ids, Progress progress) {
        var damages = new ArrayList<Damage>();
        var layers = new TreeMap<String, Manifest.LayerEntry>();
        var users = new LinkedHashMap<String, Set<String>>();
        long disks = 0;
        var manifests = new ArrayList<Snapshot>();
        for (var id : ids) {
            var opened = attempt(id, damages, () -> openWhole(id));
            if (opened.isPresent()) {
                manifests.add(opened.get());
                disks += opened.get().manifest().disk().bytes();
            }
        }
        try (var step = progress.start("Checking disks", new ByteSize(disks).toMib())) {
            for (var snapshot : manifests) {
                var _ = attempt(snapshot.id(), damages, () -> checkDisk(snapshot, step));
            }
            step.done();
        }
        for (var snapshot : manifests) {
            for (var layer : snapshot.manifest().layers()) {
                layers.put(layer.layer(), layer);
                users.computeIfAbsent(layer.layer(), _ -> new TreeSet<>())
                        .add(snapshot.id().text());
            }
        }
        checkLayers(layers, users, damages, progress);
        return damages;
    }

    /** Everything small, each file whole. */
    private Snapshot openWhole(SnapshotId id) {
        var snapshot = store.openLocal(id);
        var _ = snapshot.memory();
        snapshot.checkWorkingSet();
        var _ = ArchivedDisks.read(snapshot).map(PackedDisk::chunks);
        return snapshot;
    }

    private static Snapshot checkDisk(Snapshot snapshot, Progress.Step step) {
        long bytes = snapshot.manifest().disk().bytes();
        var known = snapshot.diskSums();
        if (known.isEmpty()) {
            step.advance(new ByteSize(bytes).toMib());
            return snapshot; // sealed just now: size and modification time are all there is
        }
        var sums = known.get();
        long shown = 0;
        try (var reader = new DiskSums.ChunkReader(snapshot.disk(), bytes)) {
            for (int i = 0; i < sums.count(); i++) {
                if (LayerFile.crc(reader.read(i)) != sums.sum(i)) {
                    throw new SnapshotCorrupt(
                            SnapshotFiles.DISK, "does not match its checksum in chunk " + i);
                }
                long mib = new ByteSize((i + 1L) * DiskSums.CHUNK_BYTES).toMib();
                step.advance(mib - shown);
                shown = mib;
            }
        }
        return snapshot;
    }

    private void checkLayers(
            Map<String, Manifest.LayerEntry> layers,
            Map<String, Set<String>> users,
            List<Damage> damages,
            Progress progress) {
        long bytes = layers.values().stream().mapToLong(l -> LayerFile.fileBytes(l.pages())).sum();
        try (var step = progress.start("Checking layers", new ByteSize(bytes).toMib())) {
            for (var layer : layers.values()) {
                try {
                    checkLayer(layer);
                } catch (SnapshotCorrupt e) {
                    for (var user : users.getOrDefault(layer.layer(), Set.of())) {
                        if (stillNames(new SnapshotId(user), layer)) {
                            damages.add(new Damage(user, e.file(), e.shownMessage()));
                        }
                    }
                }
                step.advance(new ByteSize(LayerFile.fileBytes(layer.pages())).toMib());
            }
            step.done();
        }
    }

    private void checkLayer(Manifest.LayerEntry layer) {
        var _ = store.layers().packed(layer.layer());
        if (store.layers().isOutOfReach(layer.layer())) {
            // Its pages are checked as they are fetched.
            MappedLayer.checkPartial(layer, store.layers().partial(layer.layer()));
            return;
        }
        try (var arena = Arena.ofConfined();
                var mapped = store.layers().open(layer, arena)) {
            if (layer.pages() > 0) {
                mapped.verify(0, layer.pages());
            }
        }
    }

    /** A layer may be gone for a good reason: a compaction moved its pages, or nobody needs it. */
    private boolean stillNames(SnapshotId id, Manifest.LayerEntry layer) {
        try {
            return store.manifest(id).layers().contains(layer);
        } catch (SnapshotAbsent | SnapshotCorrupt _) {
            return false;
        }
    }

    private Optional<Snapshot> attempt(
            SnapshotId id, List<Damage> damages, Supplier<Snapshot> work) {
        try {
            return Optional.of(work.get());
        } catch (SnapshotAbsent _) {
            if (store.isWithoutManifest(id)) {
                var lost = new SnapshotCorrupt(SnapshotFiles.MANIFEST, "is missing");
                damages.add(new Damage(id.text(), lost.file(), lost.shownMessage()));
            }
            return Optional.empty();
        } catch (SnapshotCorrupt e) {
            if (store.exists(id)) {
                damages.add(new Damage(id.text(), e.file(), e.shownMessage()));
            }
            return Optional.empty();
        }
    }
}
