package dev.wrenn.snapshot;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Progress;
import dev.wrenn.testkit.Cases;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Merging layers changes where memory lies, never what it reads as. */
final class CompactionTest {
    private static final int PAGE = PageSource.PAGE_BYTES;

    @TempDir private Path folder;

    @Test
    void a_history_of_a_hundred_saves_is_as_shallow_as_a_short_one_and_takes_no_more_room()
            throws IOException {
        var store = new SnapshotStore(folder);
        var memory = new byte[512 * PAGE];
        var random = new Random(4);
        random.nextBytes(memory);
        var all = new TreeSet<Integer>();
        for (int i = 0; i < 512; i++) {
            all.add(i);
        }
        var history = new ArrayList<Map.Entry<SnapshotId, byte[]>>();
        var last = save(store, Optional.empty(), memory, all);
        history.add(Map.entry(last.id(), memory.clone()));
        for (int i = 1; i < 100; i++) {
            last = save(store, Optional.of(last), memory, dirty(memory, random, 4));
            history.add(Map.entry(last.id(), memory.clone()));
        }
        assertThat(last.memory().manifest().layers()).hasSizeGreaterThan(80);
        var before = new StoreAudit(store).space();

        store.maintain();

        var after = new StoreAudit(store).space();
        assertThat(after.deepest()).isLessThanOrEqualTo(Compaction.MAX_DEPTH);
        assertThat(after.liveBytes()).isEqualTo(before.liveBytes());
        assertThat(after.amplification()).isLessThan(1.1);
        assertThat(layerFiles(store)).isEqualTo(after.layers());
        for (var one : history) {
            assertReads(store, one.getKey(), one.getValue());
        }
        assertThat(new StoreAudit(store).verify(store.list(), Progress.silent())).isEmpty();
    }

    /** Pages that are overwritten time and again are dead in the layers before. */
    @Test
    void many_cycles_over_the_same_pages_take_a_bounded_room_at_any_time() {
        var store = new SnapshotStore(folder);
        var memory = new byte[2048 * PAGE];
        var random = new Random(9);
        var kept = new ArrayList<SnapshotId>();
        Optional<Snapshot> last = Optional.empty();
        for (int cycle = 0; cycle < 40; cycle++) {
            var dirty = new TreeSet<Integer>();
            int from = random.nextInt(1024);
            for (int page = from; page < from + 1024; page++) {
                memory[page * PAGE + random.nextInt(PAGE)] = (byte) (1 + random.nextInt(100));
                dirty.add(page);
            }
            var saved = save(store, last, memory, dirty);
            kept.add(saved.id());
            if (kept.size() > 5) {
                store.settled(kept.getFirst());
                store.delete(kept.removeFirst());
            }
            store.maintain();
            store.collectLayers();
            last = Optional.of(saved);

            var space = new StoreAudit(store).space();
            assertThat(space.deepest()).isLessThanOrEqualTo(Compaction.MAX_DEPTH);
            assertThat(space.layerBytes())
                    .as("after cycle %d, %s", cycle, space)
                    .isLessThanOrEqualTo(
                            2 * space.liveBytes() + space.layers() * Compaction.SPARED_BYTES);
        }
        assertReads(store, kept.getLast(), memory);
    }

    @Test
    void a_layer_of_which_little_is_read_shrinks_to_that() throws IOException {
        var store = new SnapshotStore(folder);
        var memory = new byte[1024 * PAGE];
        new Random(5).nextBytes(memory);
        var all = new TreeSet<Integer>();
        for (int i = 0; i < 1024; i++) {
            all.add(i);
        }
        var parent = save(store, Optional.empty(), memory, all);
        Arrays.fill(memory, 0, 900 * PAGE, (byte) 0);
        var child = save(store, Optional.of(parent), memory, all);
        store.delete(parent.id());
        assertThat(new StoreAudit(store).space().amplification()).isGreaterThan(8);

        store.maintain();

        assertThat(new StoreAudit(store).space().amplification()).isLessThan(1.1);
        assertReads(store, child.id(), memory);
    }

    @Test
    void memory_that_is_mapped_stays_readable_after_its_layers_were_merged_and_removed() {
        var store = new SnapshotStore(folder);
        var memory = new byte[64 * PAGE];
        var random = new Random(6);
        var last = save(store, Optional.empty(), memory, dirty(memory, random, 20));
        for (int i = 0; i < 20; i++) {
            last = save(store, Optional.of(last), memory, dirty(memory, random, 5));
        }
        try (var running = last.image()) {
            var kept = last.id();

            store.collectGarbage(() -> Set.of(kept));
            new SnapshotStore(folder).collectGarbage(() -> Set.of(kept)); // nobody is young there
            store.maintain();

            assertThat(store.memory(kept).manifest().layers())
                    .hasSizeLessThanOrEqualTo(Compaction.MAX_DEPTH);
            TestStore.assertReads(running, memory);
            assertReads(store, kept, memory);
        }
    }

    @Test
    void a_repeated_page_is_stored_once() {
        var store = new SnapshotStore(folder);
        var memory = new byte[600 * PAGE];
        var pattern = new byte[PAGE];
        new Random(7).nextBytes(pattern);
        var all = new TreeSet<Integer>();
        for (int page = 0; page < 600; page++) {
            System.arraycopy(pattern, 0, memory, page * PAGE, PAGE);
            memory[page * PAGE] = (byte) (page % 3); // three contents, the last far behind
            all.add(page);
        }

        var snapshot = save(store, Optional.empty(), memory, all);

        assertThat(snapshot.manifest().layers().getFirst().pages()).isEqualTo(3);
        assertReads(store, snapshot.id(), memory);
    }

    /** Against a model: what each snapshot must read as. */
    @Test
    void whatever_is_saved_deleted_merged_and_collected_in_whatever_order_reads_as_saved() {
        Cases.check(
                16,
                source -> {
                    var root = Files.createTempDirectory(folder, "case");
                    var store = new SnapshotStore(root);
                    var model = new LinkedHashMap<SnapshotId, byte[]>();
                    int pages = source.between(1, 2 * source.size());
                    for (int step = 0; step < 40; step++) {
                        switch (source.between(0, 9)) {
                            case 0 -> store.maintain();
                            case 1 -> {
                                if (!model.isEmpty()) {
                                    model.remove(source.pick(List.copyOf(model.keySet())));
                                }
                                var roots = Set.copyOf(model.keySet());
                                // Another process: nothing is too young to be collected.
                                store = new SnapshotStore(root);
                                store.collectGarbage(() -> roots);
                                assertThat(store.list()).isEqualTo(roots);
                            }
                            case 2 -> {
                                if (!model.isEmpty()) {
                                    var from = source.pick(List.copyOf(model.keySet()));
                                    var copy = store.copy(from, SnapshotId.random());
                                    model.put(copy.id(), bytesOf(model, from));
                                }
                            }
                            default -> saveChild(source, store, model, pages);
                        }
                    }
                    store.maintain();
                    for (var one : model.entrySet()) {
                        assertReads(store, one.getKey(), one.getValue());
                    }
                    assertThat(new StoreAudit(store).space().deepest())
                            .isLessThanOrEqualTo(Compaction.MAX_DEPTH);
                });
    }

    private static void saveChild(
            Cases.Case source, SnapshotStore store, Map<SnapshotId, byte[]> model, int pages) {
        Optional<SnapshotId> from =
                model.isEmpty() || source.oneIn(10)
                        ? Optional.empty()
                        : Optional.of(source.pick(List.copyOf(model.keySet())));
        var memory =
                from.map(f -> bytesOf(model, f).clone()).orElseGet(() -> new byte[pages * PAGE]);
        var dirty = dirty(memory, source.random(), source.between(0, pages));
        var saved = save(store, from.map(store::open), memory, dirty);
        model.put(saved.id(), memory);
    }

    private static byte[] bytesOf(Map<SnapshotId, byte[]> model, SnapshotId id) {
        return java.util.Objects.requireNonNull(model.get(id));
    }

    @Test
    void saving_reading_merging_and_collecting_at_the_same_time_lose_nothing() {
        var store = new SnapshotStore(folder);
        var done = new AtomicBoolean();
        var roots = java.util.concurrent.ConcurrentHashMap.<SnapshotId>newKeySet();
        try (var forks = new Forks()) {
            var maintaining =
                    forks.startOnPlatformThread(
                            "maintain",
                            () -> {
                                int rounds = 0;
                                while (!done.get()) {
                                    store.maintain();
                                    store.collectGarbage(() -> Set.copyOf(roots));
                                    rounds++;
                                }
                                return rounds;
                            });
            var savers = new ArrayList<Forks.Fork<byte[]>>();
            for (int saver = 0; saver < 2; saver++) {
                int seed = saver;
                savers.add(
                        forks.startOnPlatformThread(
                                "save-" + saver, () -> saveAndRead(store, roots, seed)));
            }
            savers.forEach(s -> s.take(Duration.ofMinutes(2)));
            done.set(true);
            assertThat(maintaining.take(Duration.ofMinutes(1))).isPositive();
        }
        assertThat(new StoreAudit(store).verify(store.list(), Progress.silent())).isEmpty();
    }

    /** A capsule that is paused again and again, its old snapshots given up as it goes. */
    private static byte[] saveAndRead(SnapshotStore store, Set<SnapshotId> roots, int seed) {
        var random = new Random(seed);
        var memory = new byte[128 * PAGE];
        Optional<Snapshot> last = Optional.empty();
        for (int i = 0; i < 60; i++) {
            var saved = save(store, last, memory, dirty(memory, random, 10));
            roots.add(saved.id());
            store.settled(saved.id());
            if (last.isPresent() && i % 3 != 0) {
                roots.remove(last.get().id());
                store.delete(last.get().id());
            }
            assertReads(store, saved.id(), memory);
            last = Optional.of(saved);
        }
        return memory;
    }

    private static Set<Integer> dirty(byte[] memory, Random random, int count) {
        int pages = memory.length / PAGE;
        var dirty = new TreeSet<Integer>();
        for (int i = 0; i < count; i++) {
            int page = random.nextInt(pages);
            if (random.nextInt(5) == 0) {
                Arrays.fill(memory, page * PAGE, (page + 1) * PAGE, (byte) 0);
            } else {
                for (int at = 0; at < PAGE; at += 256) {
                    memory[page * PAGE + at] = (byte) random.nextInt();
                }
            }
            dirty.add(page);
        }
        return dirty;
    }

    private static Snapshot save(
            SnapshotStore store, Optional<Snapshot> parent, byte[] memory, Set<Integer> dirty) {
        return TestStore.save(store, parent, memory, dirty, new byte[] {1});
    }

    private static void assertReads(SnapshotStore store, SnapshotId id, byte[] memory) {
        try (var image = store.open(id).image()) {
            TestStore.assertReads(image, memory);
        }
    }

    private static int layerFiles(SnapshotStore store) throws IOException {
        try (var files = Files.list(store.layerFolder())) {
            return (int) files.count();
        }
    }
}
