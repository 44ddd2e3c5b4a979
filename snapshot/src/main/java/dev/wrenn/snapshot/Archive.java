package dev.wrenn.snapshot;

import dev.wrenn.base.Resource;
import dev.wrenn.snapshot.store.BlobName;
import dev.wrenn.snapshot.store.BlobStore;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Snapshots kept in a blob store, encrypted and authenticated on this machine before they leave it.
 *
 * <pre>
 *  keys/TEAM               a team's key, wrapped by the master key
 *  packs/TEAM/NAME         memory layers and disk chunks, named by their content
 *  owner                   the data folder that may remove what is here
 *  snapshots/ID            everything else of a snapshot; makes it exist, written last and once
 * </pre>
 *
 * One Wrenn owns an archive: nobody else adds to it or removes from it. Thread-safe.
 */
public final class Archive implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(Archive.class);
    private static final String SNAPSHOTS = "snapshots/";
    private static final String PACKS = "packs/";
    private static final BlobName OWNER = new BlobName("owner");

    private final BlobStore blobs;
    private final KeyRing keys;
    private final boolean isOurs;
    private final LongAdder fetchedBytes = new LongAdder();

    /**
     * One upload or collection at a time, for an upload relies on packs that it finds; held across
     * I/O, and never taken by a resume.
     */
    private final ReentrantLock writing = new ReentrantLock();

    private Archive(BlobStore blobs, KeyRing keys, boolean isOurs) {
        this.blobs = blobs;
        this.keys = keys;
        this.isOurs = isOurs;
    }

    /**
     * Opens an archive and owns its blob store from now on.
     *
     * @param masters the master key in force, then earlier ones
     * @param owner a text that only this data folder knows: nothing is removed from the archive of
     *     another one, for what looks like garbage from here may be all that is left of that
     */
    public static Archive open(BlobStore blobs, List<MasterKey> masters, String owner) {
        var keys = KeyRing.open(blobs, masters);
        boolean isOurs = blobs.putIfAbsent(OWNER, Ciphers.bytes(owner));
        if (!isOurs) {
            LOG.atWarn()
                    .addKeyValue("archive", blobs.describe())
                    .log("the archive belongs to another data folder: nothing is removed from it");
        }
        return new Archive(blobs, keys, isOurs);
    }

    /** Whether it has that snapshot. */
    public boolean contains(SnapshotId id) {
        return blobs.size(entryName(id)).isPresent();
    }

    /** Every snapshot it has. */
    public Set<SnapshotId> list() {
        return blobs.list(SNAPSHOTS).stream()
                .map(n -> new SnapshotId(n.text().substring(SNAPSHOTS.length())))
                .collect(Collectors.toSet());
    }

    /** Bytes that were fetched for memory and disks since it was opened. */
    public long fetchedBytes() {
        return fetchedBytes.sum();
    }

    /** What it is, for people. */
    public String describe() {
        return blobs.describe();
    }

    /**
     * Removes the snapshots that nobody needs any more, and the packs that no snapshot names.
     *
     * @param needed asked after the snapshots were listed
     */
    void collect(Supplier<Set<SnapshotId>> needed) {
        if (!isOurs) {
            return;
        }
        writing.lock();
        try {
            var candidates = new HashSet<>(list());
            candidates.removeAll(needed.get());
            if (candidates.isEmpty()) {
                return;
            }
            for (var id : candidates) {
                blobs.delete(entryName(id));
                LOG.atInfo().addKeyValue("snapshot", id).log("archived snapshot removed");
            }
            sweepPacks();
        } finally {
            writing.unlock();
        }
    }

    private void sweepPacks() {
        var named = new HashSet<BlobName>();
        for (var id : list()) {
            var entry = entry(id);
            if (entry.isPresent()) {
                entry.get().layers().forEach(l -> named.add(l.toPack().blob(l.team())));
                entry.get().disk().packs().forEach(p -> named.add(p.toPack().blob(p.team())));
            }
        }
        for (var pack : blobs.list(PACKS)) {
            if (!named.contains(pack)) {
                blobs.delete(pack);
            }
        }
    }

    /** Runs an upload; no other one and no collection is under way meanwhile. */
    void exclusively(Runnable upload) {
        writing.lock();
        try {
            upload.run();
        } finally {
            writing.unlock();
        }
    }

    /**
     * What it says of a snapshot.
     *
     * @throws SnapshotCorrupt if that is damaged
     */
    Optional<ArchiveEntry> entry(SnapshotId id) {
        return blobs.get(entryName(id)).map(bytes -> ArchiveEntry.decode(id, bytes, keys));
    }

    /** Makes a snapshot exist in the archive; its packs are there. */
    void publish(SnapshotId id, ArchiveEntry entry, TeamKey key) {
        if (!blobs.putIfAbsent(entryName(id), entry.encode(id, key)) && entry(id).isEmpty()) {
            throw new SnapshotCorrupt("archived " + id, "was removed while it was stored");
        }
    }

    boolean has(Pack pack, String team) {
        return blobs.size(pack.blob(team)).filter(s -> s == pack.storedBytes()).isPresent();
    }

    TeamKey key(String team) {
        return keys.of(team);
    }

    BlobStore blobs() {
        return blobs;
    }

    LayerFetch fetch(PackedLayer layer, Path file) {
        return new LayerFetch(blobs, layer, keys.of(Team.check(layer.team())), file, fetchedBytes);
    }

    LongAdder fetched() {
        return fetchedBytes;
    }

    private static BlobName entryName(SnapshotId id) {
        return new BlobName(SNAPSHOTS + id.text());
    }

    @Override
    public void close() {
        blobs.close();
    }
}
