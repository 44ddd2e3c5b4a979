package dev.wrenn.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Resource;
import dev.wrenn.testkit.Cases;
import dev.wrenn.testkit.Cases.Case;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A collection at any moment removes what nobody can reach, and nothing else. */
final class SnapshotCollectionTest {
    private static final int PAGES = 24;
    private static final int PAGE = PageSource.PAGE_BYTES;
    private static final Duration LIMIT = Duration.ofMinutes(2);

    @TempDir private Path folder;
    private SnapshotStore store;

    /** What each snapshot that was ever made holds: the first byte of each page. */
    private final Map<SnapshotId, byte[]> contents = new ConcurrentHashMap<>();

    private final Set<SnapshotId> roots = ConcurrentHashMap.newKeySet();

    @BeforeEach
    void openStore() {
        store = new SnapshotStore(folder);
    }

    @Test
    void what_can_be_reached_reads_as_written_and_the_rest_is_gone_after_any_history() {
        Cases.check(
                12,
                source -> {
                    openAgain();
                    var model = new Model();
                    int steps = 4 + source.size() / 8;
                    for (int i = 0; i < steps; i++) {
                        model.step(source);
                        model.check();
                    }
                    model.leave();
                });
    }

    @Test
    void a_collector_that_never_rests_takes_nothing_from_those_who_work() {
        var isOver = new AtomicBoolean();
        try (var forks = new Forks()) {
            var collecting =
                    forks.start(
                            "collector",
                            () -> {
                                int rounds = 0;
                                while (!isOver.get()) {
                                    store.collectGarbage(() -> Set.copyOf(roots));
                                    rounds++;
                                }
                                return rounds;
                            });
            var workers = new ArrayList<Forks.Fork<Integer>>();
            for (int i = 0; i < 3; i++) {
                var random = new Random(4_711L + i);
                workers.add(forks.start("worker-" + i, () -> work(random)));
            }
            try {
                workers.forEach(w -> assertThat(w.take(LIMIT)).isPositive());
            } finally {
                isOver.set(true);
            }
            assertThat(collecting.take(LIMIT)).isPositive();
        }

        roots.forEach(this::assertReads);
        store.collectGarbage(() -> Set.copyOf(roots));
        assertThat(store.list()).isEqualTo(roots);
        assertThat(layersThere()).isEqualTo(layersNamed());
    }

    @Test
    void what_was_let_go_while_the_roots_were_read_stays_until_the_next_collection() {
        var id = make(Optional.empty(), new Random(1));
        var hold = store.hold(id);
        store.settled(id);

        store.collectGarbage(() -> {
            // As if a capsule that starts from it were written down right after the roots
            // were read, and let go of it then.
            hold.close();
            return Set.of();
        });

        assertThat(store.list()).containsExactly(id);
        store.collectGarbage(Set::of);
        assertThat(store.list()).isEmpty();
        assertThatThrownBy(() -> store.hold(id)).isInstanceOf(SnapshotAbsent.class);
    }

    @Test
    void a_parent_whose_child_is_being_made_keeps_its_layers() {
        var parent = make(Optional.empty(), new Random(2));
        store.settled(parent);

        var child = make(Optional.of(parent), new Random(3), () -> store.collectGarbage(Set::of));

        store.collectGarbage(Set::of);
        assertThat(store.list()).containsExactly(child);
        assertReads(child);
    }

    @Test
    void a_snapshot_that_does_not_say_what_it_needs_keeps_all_layers() throws IOException {
        var damaged = make(Optional.empty(), new Random(4));
        var other = make(Optional.empty(), new Random(5));
        store.settled(other);
        var manifest = store.open(damaged).vmState().resolveSibling(SnapshotFiles.MANIFEST);
        var content = Files.readAllBytes(manifest);
        Files.write(manifest, new byte[] {1});

        store.collectGarbage(Set::of);
        Files.write(manifest, content);

        assertReads(damaged);
        assertThat(layersThere()).hasSize(2);
        store.collectGarbage(Set::of);
        assertThat(layersThere()).hasSize(1);
    }

    private void openAgain() {
        roots.clear();
        contents.clear();
        store.collectGarbage(Set::of);
        for (var id : store.list()) {
            store.delete(id);
        }
        store.collectGarbage(Set::of);
    }

    /** What a host does all day, on snapshots that it shares with others. */
    private int work(Random random) {
        int made = 0;
        var own = new ArrayList<SnapshotId>();
        for (int round = 0; round < 25; round++) {
            switch (random.nextInt(4)) {
                case 0 -> {
                    if (!own.isEmpty()) {
                        roots.remove(own.remove(random.nextInt(own.size())));
                    }
                }
                case 1 -> anyRoot(random).ifPresent(this::copyAsRoot);
                default -> {
                    var id = makeFromAny(random);
                    roots.add(id);
                    store.settled(id);
                    own.add(id);
                    made++;
                }
            }
            own.forEach(this::assertReads);
        }
        return made;
    }

    private SnapshotId makeFromAny(Random random) {
        var parent = anyRoot(random);
        if (parent.isPresent()) {
            try (var _ = store.hold(parent.get())) {
                return make(parent, random);
            } catch (SnapshotAbsent _) {
                return make(Optional.empty(), random); // dropped by another worker meanwhile
            }
        }
        return make(Optional.empty(), random);
    }

    private void copyAsRoot(SnapshotId original) {
        var copy = SnapshotId.random();
        try {
            contents.put(copy, java.util.Objects.requireNonNull(contents.get(original)));
            store.copy(original, copy);
            roots.add(copy);
            store.settled(copy);
        } catch (SnapshotAbsent _) {
            contents.remove(copy); // dropped by another worker meanwhile
        }
    }

    private Optional<SnapshotId> anyRoot(Random random) {
        var all = List.copyOf(roots);
        return all.isEmpty() ? Optional.empty() : Optional.of(all.get(random.nextInt(all.size())));
    }

    /** One history on one thread, with what must and must not be there afterwards. */
    private final class Model {
        private final Set<SnapshotId> fresh = new HashSet<>();
        private final Map<SnapshotId, Resource> held = new HashMap<>();
        private final Set<SnapshotId> there = new HashSet<>();

        void step(Case source) {
            var known = List.copyOf(there);
            switch (known.isEmpty() ? 0 : source.between(0, 7)) {
                case 0, 1 -> {
                    var parent =
                            known.isEmpty() || source.oneIn(4)
                                    ? Optional.<SnapshotId>empty()
                                    : Optional.of(source.pick(known));
                    var id = make(parent, source.random());
                    fresh.add(id);
                    there.add(id);
                }
                case 2 -> roots.add(source.pick(known));
                case 3 -> roots.remove(source.pick(known));
                case 4 -> {
                    var id = source.pick(known);
                    store.settled(id);
                    fresh.remove(id);
                }
                case 5 -> {
                    var id = source.pick(known);
                    var before = held.remove(id);
                    if (before == null) {
                        held.put(id, store.hold(id));
                    } else {
                        before.close();
                    }
                }
                case 6 -> {
                    var from = source.pick(known);
                    var copy = SnapshotId.random();
                    contents.put(copy, java.util.Objects.requireNonNull(contents.get(from)));
                    store.copy(from, copy);
                    fresh.add(copy);
                    there.add(copy);
                }
                default -> {
                    store.collectGarbage(() -> Set.copyOf(roots));
                    there.removeIf(id ->
                            !roots.contains(id) && !fresh.contains(id) && !held.containsKey(id));
                    assertThat(layersThere()).isEqualTo(layersNamed());
                }
            }
        }

        void check() {
            assertThat(store.list()).isEqualTo(there);
            there.forEach(SnapshotCollectionTest.this::assertReads);
        }

        void leave() {
            held.values().forEach(Resource::close);
            fresh.forEach(store::settled);
        }
    }

    private SnapshotId make(Optional<SnapshotId> parent, Random random) {
        return make(parent, random, () -> {});
    }

    private SnapshotId make(Optional<SnapshotId> parent, Random random, Runnable halfWay) {
        var id = SnapshotId.random();
        var base = parent.map(store::open);
        var bytes =
                parent.map(p -> java.util.Objects.requireNonNull(contents.get(p)).clone())
                        .orElseGet(() -> new byte[PAGES]);
        try (var arena = Arena.ofConfined();
                var draft = store.draft(id)) {
            var memory = draft.memory(base, PAGES);
            halfWay.run();
            var page = arena.allocate(PAGE);
            for (int i = 0; i < PAGES; i++) {
                if (random.nextInt(4) == 0) {
                    bytes[i] = (byte) random.nextInt(3); // zero now and then
                    page.set(java.lang.foreign.ValueLayout.JAVA_BYTE, 0, bytes[i]);
                    memory.pages(i, page);
                }
            }
            Files.write(draft.vmState(), new byte[] {1});
            Files.write(draft.disk(), new byte[] {2});
            contents.put(id, bytes);
            draft.seal(
                    new ManifestFacts(
                            base.map(Snapshot::id),
                            Instant.EPOCH,
                            "qemu",
                            "1",
                            1,
                            new ByteSize((long) PAGES * PAGE),
                            "k",
                            "t",
                            Map.of()));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return id;
    }

    private void assertReads(SnapshotId id) {
        var want = java.util.Objects.requireNonNull(contents.get(id));
        try (var image = store.open(id).image()) {
            for (int page = 0; page < PAGES; page++) {
                byte found =
                        switch (image.run(page, 1)) {
                            case PageSource.Run.Zero _ -> 0;
                            case PageSource.Run.Stored(int _, MemorySegment bytes) ->
                                    bytes.get(java.lang.foreign.ValueLayout.JAVA_BYTE, 0);
                        };
                assertThat(found).as("page %d of %s", page, id).isEqualTo(want[page]);
            }
        }
    }

    private Set<String> layersThere() {
        try (var files = Files.list(store.layerFolder())) {
            return new HashSet<>(files.map(SnapshotFiles::name).toList());
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private Set<String> layersNamed() {
        var named = new HashSet<String>();
        for (var id : store.list()) {
            store.open(id)
                    .manifest()
                    .layers()
                    .forEach(l -> named.add(SnapshotFiles.layerFile(l.layer())));
        }
        return named;
    }
}
