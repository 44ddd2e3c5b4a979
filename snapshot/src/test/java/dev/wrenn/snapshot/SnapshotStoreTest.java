package dev.wrenn.snapshot;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.ByteSize;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the store promises of snapshots, over generations, damage and crashes. */
final class SnapshotStoreTest {
    private static final int PAGES = 256;
    private static final int PAGE = PageSource.PAGE_BYTES;

    @TempDir private Path folder;
    private SnapshotStore store;

    @BeforeEach
    void openStore() {
        store = new SnapshotStore(folder);
    }

    @Test
    void twenty_generations_of_random_changes_read_back_exactly() {
        var random = new Random(20_261);
        var memory = new byte[PAGES * PAGE];
        Optional<Snapshot> parent = Optional.empty();
        for (int generation = 0; generation < 20; generation++) {
            var changed = mutate(memory, random, generation);

            var snapshot = save(parent, memory, changed);

            assertReads(snapshot, memory, random);
            parent = Optional.of(snapshot);
        }
    }

    /** Gap D1: taking a zeroed page for unchanged brings its old content back. */
    @Test
    void a_page_that_became_zero_reads_as_zero() {
        var memory = new byte[PAGES * PAGE];
        Arrays.fill(memory, 7 * PAGE, 8 * PAGE, (byte) 7);
        var first = save(Optional.empty(), memory, List.of(7));
        Arrays.fill(memory, (byte) 0);

        var second = save(Optional.of(first), memory, List.of(7));

        try (var image = second.image()) {
            assertThat(image.run(7, 1)).isEqualTo(new PageSource.Run.Zero(1));
        }
    }

    @Test
    void pages_equal_to_the_parent_are_not_stored_again() {
        var memory = new byte[PAGES * PAGE];
        new Random(3).nextBytes(memory);
        var all = new ArrayList<Integer>();
        for (int i = 0; i < PAGES; i++) {
            all.add(i);
        }
        var first = save(Optional.empty(), memory, all);
        memory[10 * PAGE] ^= 1;

        var second = save(Optional.of(first), memory, all);

        assertThat(second.writtenBytes()).isEqualTo(PAGE);
    }

    @Test
    void an_unsealed_draft_leaves_nothing() throws IOException {
        try (var draft = store.draft(SnapshotId.random())) {
            var memory = draft.memory(Optional.empty(), PAGES);
            memory.pages(0, MemorySegment.ofArray(new byte[PAGE]));
            Files.writeString(draft.vmState(), "state");
        }

        assertThat(store.list()).isEmpty();
        try (var layers = Files.list(store.layerFolder())) {
            assertThat(layers).isEmpty();
        }
    }

    @Test
    void what_a_killed_process_left_is_collected_and_what_is_needed_stays() throws IOException {
        var memory = new byte[PAGES * PAGE];
        memory[0] = 1;
        var kept = save(Optional.empty(), memory, List.of(0));
        memory[PAGE] = 1;
        var child = save(Optional.of(kept), memory, List.of(1));
        Files.createDirectories(folder.resolve("drafts").resolve(SnapshotId.random().text()));
        Files.writeString(store.layerFolder().resolve("layer-stale.layer"), "half");
        var afterRestart = new SnapshotStore(folder);

        afterRestart.collectGarbage(() -> Set.of(child.id()));

        assertThat(afterRestart.list()).containsExactly(child.id());
        try (var drafts = Files.list(folder.resolve("drafts"));
                var layers = Files.list(store.layerFolder())) {
            assertThat(drafts).isEmpty();
            assertThat(layers).hasSize(2); // the child needs its parent's layer
        }
        assertReads(afterRestart.open(child.id()), memory, new Random(1));
    }

    @Test
    void a_snapshot_sealed_after_the_roots_were_named_is_not_collected() {
        var memory = new byte[PAGES * PAGE];
        memory[0] = 1;
        var snapshot = save(Optional.empty(), memory, List.of(0));

        store.collectGarbage(Set::of);

        assertThat(store.list()).containsExactly(snapshot.id());
    }

    @Test
    void a_copy_reads_the_same_and_outlives_its_original() {
        var memory = new byte[PAGES * PAGE];
        new Random(8).nextBytes(memory);
        var original = save(Optional.empty(), memory, List.of(0, 9));
        for (int i = 0; i < PAGES; i++) {
            if (i != 0 && i != 9) {
                Arrays.fill(memory, i * PAGE, (i + 1) * PAGE, (byte) 0);
            }
        }

        var copy = store.copy(original.id(), SnapshotId.random());
        store.delete(original.id());
        store.collectGarbage(() -> Set.of(copy.id()));

        assertReads(store.open(copy.id()), memory, new Random(2));
    }

    @Test
    void a_damaged_working_set_counts_as_unknown() throws IOException {
        var memory = new byte[PAGES * PAGE];
        var snapshot = save(Optional.empty(), memory, List.of());
        snapshot.storeWorkingSet(WorkingSet.of(3, 1, 2));
        assertThat(snapshot.workingSet()).isEqualTo(WorkingSet.of(3, 1, 2));

        Files.write(
                snapshot.disk().resolveSibling(SnapshotFiles.WORKING_SET), new byte[] {1, 2, 3});

        assertThat(snapshot.workingSet()).isEqualTo(WorkingSet.EMPTY);
    }

    private Snapshot save(Optional<Snapshot> parent, byte[] memory, List<Integer> pages) {
        try (var draft = store.draft(SnapshotId.random());
                var arena = Arena.ofConfined()) {
            Files.writeString(draft.vmState(), "devices");
            Files.writeString(draft.disk(), "disk");
            var layer = draft.memory(parent, PAGES);
            var segment = arena.allocate(memory.length);
            segment.asByteBuffer().put(ByteBuffer.wrap(memory));
            for (int page : pages) {
                layer.pages(page, segment.asSlice((long) page * PAGE, PAGE));
            }
            return draft.seal(
                    new ManifestFacts(
                            parent.map(Snapshot::id),
                            Instant.EPOCH,
                            "QEMU",
                            "7.2",
                            1,
                            new ByteSize((long) PAGES * PAGE),
                            "6.1",
                            "minimal",
                            Map.of("k", "v")));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static List<Integer> mutate(byte[] memory, Random random, int generation) {
        var changed = new ArrayList<Integer>();
        for (int page = 0; page < PAGES; page++) {
            int kind = random.nextInt(generation == 0 ? 3 : 8);
            if (kind == 0) {
                Arrays.fill(memory, page * PAGE, (page + 1) * PAGE, (byte) 0);
                changed.add(page);
            } else if (kind == 1) {
                for (int i = 0; i < PAGE; i += 512) {
                    memory[page * PAGE + i] = (byte) random.nextInt();
                }
                changed.add(page);
            } else if (kind == 2 && generation > 0) {
                changed.add(page); // reported as written, but with the same content
            }
        }
        return changed;
    }

    private static void assertReads(Snapshot snapshot, byte[] expected, Random random) {
        try (var image = snapshot.image()) {
            assertThat(image.pageCount()).isEqualTo(PAGES);
            int page = 0;
            while (page < PAGES) {
                var run = image.run(page, 1 + random.nextInt(40));
                var want =
                        MemorySegment.ofArray(expected)
                                .asSlice((long) page * PAGE, (long) run.pages() * PAGE);
                switch (run) {
                    case PageSource.Run.Zero _ ->
                            assertThat(
                                            want.mismatch(
                                                    MemorySegment.ofArray(
                                                            new byte[(int) want.byteSize()])))
                                    .as("zero run at page %d", page)
                                    .isEqualTo(-1);
                    case PageSource.Run.Stored(int _, MemorySegment bytes) ->
                            assertThat(bytes.mismatch(want))
                                    .as("stored run at page %d", page)
                                    .isEqualTo(-1);
                }
                page += run.pages();
            }
        }
    }
}
