package dev.wrenn.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Progress;
import dev.wrenn.base.WrennException;
import dev.wrenn.snapshot.store.BlobName;
import dev.wrenn.snapshot.store.LocalBlobStore;
import dev.wrenn.testkit.Eventually;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What an archive gives back, to whom, and what it costs. */
final class ArchiveTest {
    private static final int PAGE = PageSource.PAGE_BYTES;
    private static final int PAGES = 512;
    private static final Set<Integer> ALL = range(0, PAGES);
    private static final Set<Integer> FEW = range(0, 40); // two frames and a half

    @TempDir private Path folder;
    private WatchedBlobs blobs;
    private Archive archive;
    private SnapshotStore store;

    @BeforeEach
    void openStore() {
        blobs = new WatchedBlobs(new LocalBlobStore(folder.resolve("blobs")));
        archive = Archive.open(blobs, MasterKey.file(folder.resolve("key")), "test");
        store = new SnapshotStore(folder.resolve("here"), Optional.of(archive));
    }

    @Test
    void what_was_archived_comes_back_the_same_on_another_machine() {
        var memory = memory(1);
        var disk = disk(1);
        var snapshot = archived(Optional.empty(), memory, ALL, disk);

        var elsewhere = another();
        var back = elsewhere.open(snapshot.id());

        assertThat(back.manifest().attributes()).isEqualTo(snapshot.manifest().attributes());
        assertThat(back.vmState()).hasSameBinaryContentAs(snapshot.vmState());
        assertThat(back.disk()).hasSameBinaryContentAs(snapshot.disk());
        assertThat(back.workingSet()).isEqualTo(WorkingSet.of(3, 1, 2));
        assertThat(elsewhere.isDurable(back.id())).isTrue();
        assertReads(back, memory);
        assertThat(new StoreAudit(elsewhere).verify(elsewhere.list(), Progress.silent())).isEmpty();
    }

    @Test
    void a_child_sends_only_what_changed_since_its_parent() throws IOException {
        var memory = memory(2);
        var disk = disk(2);
        var parent = archived(Optional.empty(), memory, ALL, disk);
        long before = storedBytes();
        new Random(3).nextBytes(memory);
        System.arraycopy(memory(2), 0, memory, 0, (PAGES - 3) * PAGE); // three pages differ
        disk[5 * DiskSums.CHUNK_BYTES] ^= 1;

        var child = archived(Optional.of(parent), memory, ALL, disk);

        assertThat(storedBytes() - before)
                .isBetween(3L * PAGE, 3L * PAGE + DiskSums.CHUNK_BYTES + 20_000);
        var back = another().open(child.id());
        assertReads(back, memory);
        assertThat(Files.readAllBytes(back.disk())).isEqualTo(disk);
    }

    @Test
    void memory_is_fetched_as_it_is_read_and_the_rest_in_the_background() {
        var memory = memory(4);
        var snapshot = archived(Optional.empty(), memory, ALL, new byte[10]);
        var back = another().open(snapshot.id());
        long small = archive.fetchedBytes();
        try (var image = back.image()) {
            assertThat(image.isPartial()).isTrue();

            var _ = image.run(100, 1);

            assertThat(archive.fetchedBytes() - small).isBetween(1L, 2L * LayerFile.FRAME_BYTES);
            image.prefetch(back.workingSet());
            Eventually.within(
                    Duration.ofSeconds(20),
                    () -> archive.fetchedBytes() - small > 3L * LayerFile.FRAME_BYTES);
            assertThat(archive.fetchedBytes() - small).isLessThan(6L * LayerFile.FRAME_BYTES);
            image.fill();
            Eventually.within(
                    Duration.ofSeconds(20),
                    () -> archive.fetchedBytes() - small >= (long) PAGES * PAGE);
            TestStore.assertReads(image, memory);
            int asked = blobs.reads.get();
            TestStore.assertReads(image, memory);
            assertThat(blobs.reads.get()).isEqualTo(asked);
        }
    }

    @Test
    void a_frame_that_two_want_at_the_same_time_is_fetched_once() {
        var snapshot = archived(Optional.empty(), memory(5), ALL, new byte[10]);
        var back = another().open(snapshot.id());
        blobs.latency = Duration.ofMillis(50);
        int before = blobs.reads.get();
        try (var image = back.image()) {
            SideBySide.run("read", range(0, 16), page -> image.run(page, 1));
        }

        assertThat(blobs.reads.get() - before).isEqualTo(1);
    }

    @Test
    void a_pause_on_top_of_memory_that_is_not_all_here_reads_back_everywhere() {
        var memory = memory(6);
        var snapshot = archived(Optional.empty(), memory, ALL, disk(6));
        var elsewhere = another();
        var base = elsewhere.open(snapshot.id());
        Arrays.fill(memory, 7 * PAGE, 9 * PAGE, (byte) 7);

        var child = TestStore.save(elsewhere, Optional.of(base), memory, range(7, 9), disk(6));
        elsewhere.archive(child.id());

        assertReads(child, memory);
        assertReads(another().open(child.id()), memory);
    }

    @Test
    void a_deep_history_of_partial_layers_is_merged_like_any_other() {
        var memory = memory(7);
        var snapshot = archived(Optional.empty(), memory, ALL, new byte[10]);
        var elsewhere = another();
        var last = elsewhere.open(snapshot.id());
        for (int i = 0; i < 12; i++) {
            Arrays.fill(memory, i * PAGE, (i + 1) * PAGE, (byte) i);
            last =
                    TestStore.save(
                            elsewhere, Optional.of(last), memory, range(i, i + 1), new byte[10]);
        }

        elsewhere.maintain();

        assertThat(elsewhere.memory(last.id()).manifest().layers())
                .hasSizeLessThanOrEqualTo(Compaction.MAX_DEPTH);
        assertReads(last, memory);
    }

    @Test
    void a_short_outage_makes_a_reader_wait_not_fail() {
        var memory = memory(8);
        var snapshot = archived(Optional.empty(), memory, ALL, new byte[10]);
        var back = another().open(snapshot.id());
        blobs.failingReads.set(2);

        try (var image = back.image()) {
            assertThat(image.run(3, 1)).isInstanceOf(PageSource.Run.Stored.class);
        }
    }

    @Test
    void an_upload_cut_anywhere_leaves_no_half_and_goes_on_where_it_was() {
        var memory = memory(9);
        var disk = disk(9);
        var snapshot = saved(Optional.empty(), memory, ALL, disk);
        int total = 0;
        for (int cut = 0; !store.isDurable(snapshot.id()); cut++) {
            blobs.putsLeft.set(cut % 2);
            try {
                store.archive(snapshot.id());
            } catch (WrennException e) {
                assertThat(e.kind()).isEqualTo(Kind.UNAVAILABLE);
                assertThat(archive.contains(snapshot.id())).isFalse();
            }
            total = blobs.puts.get();
            assertThat(cut).isLessThan(20);
        }

        // Owner, key, layer, disk, entry: nothing was sent twice.
        assertThat(total).isEqualTo(5);
        assertReads(another().open(snapshot.id()), memory);
    }

    @Test
    void an_evicted_snapshot_leaves_the_machine_and_comes_back_when_opened() throws IOException {
        var memory = memory(10);
        var snapshot = archived(Optional.empty(), memory, ALL, disk(10));
        store.settled(snapshot.id());
        try (var _ = store.hold(snapshot.id())) {
            assertThat(store.evict(snapshot.id())).as("in use").isFalse();
        }

        assertThat(store.evict(snapshot.id())).isTrue();

        assertThat(store.list()).isEmpty();
        store.collectGarbage(() -> Set.of(snapshot.id()));
        try (var layers = Files.list(store.layerFolder())) {
            assertThat(layers).isEmpty();
        }
        assertThat(store.isDurable(snapshot.id())).isTrue();
        try (var _ = store.hold(snapshot.id())) {
            assertReads(store.open(snapshot.id()), memory);
        }
    }

    @Test
    void a_snapshot_that_is_not_archived_is_never_evicted() {
        var snapshot = saved(Optional.empty(), memory(11), ALL, disk(11));
        store.settled(snapshot.id());

        assertThat(store.evict(snapshot.id())).isFalse();
        assertThat(store.unarchived()).containsExactly(snapshot.id());
    }

    @Test
    void collecting_removes_what_nobody_needs_and_no_pack_that_is_shared() {
        var memory = memory(12);
        var parent = archived(Optional.empty(), memory, ALL, disk(12));
        Arrays.fill(memory, 0, PAGE, (byte) 1);
        var child = archived(Optional.of(parent), memory, range(0, 1), disk(12));
        var stranger = archived(Optional.empty(), memory(13), ALL, disk(13));
        for (var gone : List.of(parent, stranger)) {
            store.settled(gone.id());
        }
        store.collectGarbage(() -> Set.of(child.id()));

        store.collectArchive(() -> Set.of(child.id()));

        assertThat(archive.list()).containsExactly(child.id());
        assertThat(blobs.list("packs/")).hasSize(3); // two layers, one disk
        assertReads(another().open(child.id()), memory);
    }

    @Test
    void a_changed_byte_of_any_blob_is_found_before_it_is_used_and_the_blob_named()
            throws IOException {
        var memory = new byte[PAGES * PAGE];
        System.arraycopy(memory(14), 0, memory, 0, FEW.size() * PAGE);
        var snapshot = archived(Optional.empty(), memory, FEW, disk(14));
        var good = contents();
        good.remove(new BlobName("owner")); // a changed one only keeps us from removing
        for (var blob : good.entrySet()) {
            for (int at : positions(snapshot, blob.getKey(), blob.getValue().length)) {
                var damaged = blob.getValue().clone();
                damaged[at] ^= 0x01;
                blobs.put(blob.getKey(), damaged);

                assertRefused(snapshot, memory, blob.getKey(), "byte " + at);
            }
            blobs.put(blob.getKey(), blob.getValue());
        }
        assertReads(another().open(snapshot.id()), memory);
    }

    @Test
    void a_blob_cut_short_is_found_and_one_that_has_grown_gives_nothing_wrong() throws IOException {
        var memory = new byte[PAGES * PAGE];
        System.arraycopy(memory(16), 0, memory, 0, FEW.size() * PAGE);
        var snapshot = archived(Optional.empty(), memory, FEW, disk(16));
        var good = contents();
        good.remove(new BlobName("owner"));
        for (var blob : good.entrySet()) {
            int size = blob.getValue().length;
            for (int length : List.of(0, 1, size / 2, size - 1)) {
                blobs.put(blob.getKey(), Arrays.copyOf(blob.getValue(), length));

                assertRefused(snapshot, memory, blob.getKey(), "cut to %d bytes".formatted(length));
            }
            blobs.put(blob.getKey(), Arrays.copyOf(blob.getValue(), size + 1));
            if (blob.getKey().text().startsWith("packs/")) {
                // Frames are read by their place, each authenticated by itself.
                assertReads(fresh().open(snapshot.id()), memory);
            } else {
                assertRefused(snapshot, memory, blob.getKey(), "grown");
            }
            blobs.put(blob.getKey(), blob.getValue());
        }
    }

    /** A resume from there alone fails, and tells which blob is to blame. */
    private void assertRefused(Snapshot snapshot, byte[] memory, BlobName blob, String how) {
        var name = blob.text();
        var shown =
                name.startsWith("snapshots/")
                        ? "archived " + snapshot.id()
                        : name.startsWith("keys/") ? "key" : name.replaceFirst(".*/", "");
        assertThatThrownBy(() -> assertReads(fresh().open(snapshot.id()), memory))
                .as("%s of %s", how, name)
                .isInstanceOf(WrennException.class)
                .hasMessageContaining(shown.substring(0, Math.min(shown.length(), 12)));
    }

    /** A machine that has nothing but the master key. */
    private SnapshotStore fresh() {
        return another(Archive.open(blobs, MasterKey.file(folder.resolve("key")), "test"));
    }

    /** All through what is in the clear, and the edges of what is encrypted. */
    private Set<Integer> positions(Snapshot snapshot, BlobName blob, int size) {
        var positions = new TreeSet<Integer>();
        if (blob.text().startsWith("keys/")) {
            range(0, size).stream().filter(at -> at % 3 == 0).forEach(positions::add);
        } else if (blob.text().startsWith("snapshots/")) {
            positions.addAll(range(0, 40)); // magic, team, nonce, first bytes
            positions.add(size / 2);
            positions.addAll(range(size - 17, size)); // the tag and before
        } else {
            int at = 0;
            for (int length : framesOf(snapshot, blob)) {
                if (at == 0 || at + length == size) {
                    positions.addAll(List.of(at, at + length / 2, at + length - 17));
                }
                at += length;
                positions.add(at - 1); // of the tag
            }
        }
        return positions;
    }

    private List<Integer> framesOf(Snapshot snapshot, BlobName blob) {
        var entry = archive.entry(snapshot.id()).orElseThrow();
        var all = new ArrayList<List<Integer>>();
        entry.layers().stream()
                .filter(l -> blob.text().endsWith(l.pack()))
                .forEach(l -> all.add(l.lengths()));
        entry.disk().packs().stream()
                .filter(p -> blob.text().endsWith(p.pack()))
                .forEach(p -> all.add(p.lengths()));
        assertThat(all).as("lengths of " + blob).hasSize(1);
        return all.getFirst();
    }

    @Test
    void nothing_readable_leaves_the_machine() throws IOException {
        var memory = new byte[PAGES * PAGE];
        var text = "this must stay secret".getBytes(java.nio.charset.StandardCharsets.UTF_8);
        System.arraycopy(text, 0, memory, 5 * PAGE, text.length);
        var disk = new byte[1000];
        System.arraycopy(text, 0, disk, 5, text.length);
        archived(Optional.empty(), memory, ALL, disk);

        for (var blob : contents().entrySet()) {
            assertThat(new String(blob.getValue(), java.nio.charset.StandardCharsets.ISO_8859_1))
                    .as(blob.getKey().text())
                    .doesNotContain("this must stay secret", "minimal", "QEMU");
        }
    }

    @Test
    void a_master_key_is_turned_over_by_putting_a_new_one_in_front() throws IOException {
        var memory = memory(15);
        var snapshot = archived(Optional.empty(), memory, ALL, new byte[10]);
        var file = folder.resolve("key");
        var old = Files.readString(file);
        var packs = contents();
        Files.writeString(file, "ab".repeat(32) + "\n" + old);

        Archive.open(blobs, MasterKey.file(file), "test");

        packs.forEach((name, content) -> {
            if (!name.text().startsWith("keys/")) {
                assertThat(blobs.get(name)).as(name.text()).hasValue(content);
            }
        });
        Files.writeString(file, "ab".repeat(32) + "\n");
        var renewed = Archive.open(blobs, MasterKey.file(file), "test");
        assertReads(another(renewed).open(snapshot.id()), memory);
        Files.writeString(file, old);
        assertThatThrownBy(() -> Archive.open(blobs, MasterKey.file(file), "test"))
                .isInstanceOf(WrennException.class)
                .hasMessageContaining("master key file");
    }

    private SnapshotStore another() {
        return another(archive);
    }

    private SnapshotStore another(Archive from) {
        try {
            return new SnapshotStore(
                    Files.createTempDirectory(folder, "elsewhere"), Optional.of(from));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private Snapshot saved(
            Optional<Snapshot> parent, byte[] memory, Set<Integer> dirty, byte[] disk) {
        var snapshot = TestStore.save(store, parent, memory, dirty, disk);
        snapshot.storeWorkingSet(WorkingSet.of(3, 1, 2));
        return snapshot;
    }

    private Snapshot archived(
            Optional<Snapshot> parent, byte[] memory, Set<Integer> dirty, byte[] disk) {
        var snapshot = saved(parent, memory, dirty, disk);
        store.archive(snapshot.id());
        assertThat(store.isDurable(snapshot.id())).isTrue();
        return snapshot;
    }

    private Map<BlobName, byte[]> contents() {
        var contents = new HashMap<BlobName, byte[]>();
        blobs.list("").forEach(n -> contents.put(n, blobs.get(n).orElseThrow()));
        return contents;
    }

    private long storedBytes() {
        return blobs.list("").stream().mapToLong(n -> blobs.size(n).orElseThrow()).sum();
    }

    private static void assertReads(Snapshot snapshot, byte[] memory) {
        try (var image = snapshot.image()) {
            TestStore.assertReads(image, memory);
        }
    }

    private static byte[] memory(int seed) {
        var memory = new byte[PAGES * PAGE];
        new Random(seed).nextBytes(memory);
        return memory;
    }

    /** Ten chunks and a piece, two of them zero. */
    private static byte[] disk(int seed) {
        var disk = new byte[10 * DiskSums.CHUNK_BYTES + 500];
        new Random(seed).nextBytes(disk);
        Arrays.fill(disk, DiskSums.CHUNK_BYTES, 3 * DiskSums.CHUNK_BYTES, (byte) 0);
        return disk;
    }

    private static Set<Integer> range(int from, int to) {
        var pages = new TreeSet<Integer>();
        for (int i = from; i < to; i++) {
            pages.add(i);
        }
        return pages;
    }
}
