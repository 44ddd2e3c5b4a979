package dev.wrenn.snapshot;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Progress;
import dev.wrenn.snapshot.store.LocalBlobStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * That no byte of any file of a snapshot changes, goes or is added unnoticed, whatever the file's
 * times say, and that the failure names the file. Of small files every byte is changed, one after
 * the other; of layer and disk those at the edges of each part, and all of the checksum table.
 */
final class EveryByteTest {
    private static final int PAGE = PageSource.PAGE_BYTES;
    private static final int PAGES = 64;
    private static final List<Integer> STORED = List.of(1, 2, 3, 4, 5, 20, 21, 22, 40, 41, 42, 43);
    private static final List<Integer> REPLACED = List.of(20, 42);
    private static final int BIT_STEP = 3; // bits take turns, all eight of them

    @TempDir private Path folder;
    private Archive archive;
    private SnapshotStore store;
    private Snapshot snapshot;
    private byte[] memory = new byte[0];

    /** What a file of a snapshot is to those who resume it. */
    enum Role {
        /** A resume refuses. */
        NEEDED,
        /** A resume does without it, as if it were not there. */
        HINT,
        /** A resume does not read it, or trusts size and times. */
        AUDITED
    }

    enum Part {
        MANIFEST("manifest.json", Role.NEEDED, true),
        VM_STATE("vmstate", Role.NEEDED, true),
        MAP("memory.map", Role.NEEDED, true),
        LAYER("*.layer", Role.NEEDED, true),
        DISK("disk.raw", Role.AUDITED, true),
        WORKING_SET("working-set", Role.HINT, false),
        DISK_SUMS("disk.sums", Role.AUDITED, false),
        ARCHIVED("archived.json", Role.AUDITED, false),
        PACK("*.pack", Role.AUDITED, false);

        final String pattern;
        final Role role;
        final boolean isExpected; // at any time: the others come later

        Part(String pattern, Role role, boolean isExpected) {
            this.pattern = pattern;
            this.role = role;
            this.isExpected = isExpected;
        }
    }

    @BeforeEach
    void saveAndArchive() {
        archive =
                Archive.open(
                        new LocalBlobStore(folder.resolve("blobs")),
                        MasterKey.file(folder.resolve("key")),
                        "test");
        store = new SnapshotStore(folder.resolve("here"), Optional.of(archive));
        memory = new byte[PAGES * PAGE];
        var random = new Random(11);
        fill(random, STORED);
        var parent = TestStore.save(store, Optional.empty(), memory, STORED, disk());
        fill(random, REPLACED);
        snapshot = TestStore.save(store, Optional.of(parent), memory, REPLACED, disk());
        snapshot.storeWorkingSet(WorkingSet.of(3, 1, 2));
        store.maintain();
        store.archive(parent.id());
        store.archive(snapshot.id());
    }

    private void fill(Random random, List<Integer> pages) {
        var bytes = new byte[PAGE];
        for (int page : pages) {
            random.nextBytes(bytes);
            System.arraycopy(bytes, 0, memory, page * PAGE, PAGE);
        }
    }

    /** Two chunks, a zero one and a piece. */
    private static byte[] disk() {
        var disk = new byte[3 * DiskSums.CHUNK_BYTES + 1000];
        new Random(2).nextBytes(disk);
        Arrays.fill(disk, DiskSums.CHUNK_BYTES, 2 * DiskSums.CHUNK_BYTES, (byte) 0);
        return disk;
    }

    @Test
    void no_kind_of_file_is_left_out() throws IOException {
        try (var tree = Files.walk(folder.resolve("here"))) {
            var kinds =
                    tree.filter(Files::isRegularFile)
                            .map(SnapshotFiles::name)
                            .map(n -> n.replaceFirst("^layer-[0-9a-f]+", "*"))
                            .collect(Collectors.toSet());
            assertThat(kinds)
                    .containsExactlyInAnyOrderElementsOf(
                            Arrays.stream(Part.values()).map(p -> p.pattern).toList());
        }
        assertThat(damages()).isEmpty();
        assertThat(refusal()).isEmpty();
    }

    @ParameterizedTest
    @EnumSource
    void a_flipped_bit_is_found_whichever_byte_it_is_in(Part part) throws IOException {
        var file = fileOf(part);
        int bit = 0;
        for (long at : positions(part, file)) {
            int mask = 1 << bit;
            bit = (bit + BIT_STEP) % Byte.SIZE;
            flip(file, at, mask);

            assertFound(part, file, "byte " + at);

            flip(file, at, mask);
        }
        assertThat(damages()).isEmpty();
    }

    @ParameterizedTest
    @EnumSource
    void a_file_that_was_cut_or_has_grown_or_is_gone_is_found(Part part) throws IOException {
        var file = fileOf(part);
        var original = Files.readAllBytes(file);
        var modified = Files.getLastModifiedTime(file);
        int size = original.length;
        for (int length : List.of(0, 1, size / 2, size - 1, size + 1, size + PAGE)) {
            Files.write(file, Arrays.copyOf(original, length));
            Files.setLastModifiedTime(file, modified);

            assertFound(part, file, "%d instead of %d bytes".formatted(length, size));
        }
        Files.delete(file);
        if (part.isExpected) {
            assertThat(damages())
                    .singleElement()
                    .satisfies(d -> assertThat(d.what()).contains(SnapshotFiles.name(file)));
        } else {
            assertThat(damages()).isEmpty();
        }
        Files.write(file, original);
        Files.setLastModifiedTime(file, modified);
        assertThat(damages()).isEmpty();
    }

    @Test
    void a_changed_byte_of_a_layer_behind_an_unchanged_identity_is_found_when_it_is_served()
            throws IOException {
        var file = fileOf(Part.LAYER);
        int pages = layer().pages();
        for (long at : positions(Part.LAYER, file)) {
            boolean isOfPages = at >= LayerFile.HEADER_BYTES && at < LayerFile.tableOffset(pages);
            if (!isOfPages) {
                continue; // header and table are checked at every open, as above
            }
            flip(file, at, 1);

            try (var image = MemoryImage.open(disguised(file), store.layers())) {
                assertThat(failureOf(() -> readAll(image)))
                        .as("byte %d", at)
                        .hasValueSatisfying(m -> assertThat(m).contains(SnapshotFiles.name(file)));
            }
            flip(file, at, 1);
        }
    }

    @Test
    void a_changed_frame_that_came_from_the_archive_is_fetched_once_more() throws IOException {
        var elsewhere = new SnapshotStore(folder.resolve("elsewhere"), Optional.of(archive));
        readAll(elsewhere.open(snapshot.id()));
        var file = elsewhere.layers().partial(layer().layer());
        for (int page = 0; page < layer().pages(); page++) {
            flip(file, LayerFile.HEADER_BYTES + (long) page * PAGE + 17, 4);

            readAll(elsewhere.open(snapshot.id()));
        }
    }

    @Test
    void header_and_table_of_a_layer_that_the_archive_has_are_checked_without_it()
            throws IOException {
        new SnapshotStore(folder.resolve("elsewhere"), Optional.of(archive)).open(snapshot.id());
        var alone = new SnapshotStore(folder.resolve("elsewhere"));
        var audit = new StoreAudit(alone);
        var file = alone.layers().partial(layer().layer());
        assertThat(audit.verify(alone.list(), Progress.silent())).isEmpty();
        for (long at : positions(Part.LAYER, file)) {
            boolean isOfPages =
                    at >= LayerFile.HEADER_BYTES && at < LayerFile.tableOffset(layer().pages());
            if (isOfPages) {
                continue; // which are fetched when they do not match
            }
            flip(file, at, 1);

            assertThat(audit.verify(alone.list(), Progress.silent()))
                    .as("byte %d", at)
                    .singleElement()
                    .satisfies(d -> assertThat(d.file()).isEqualTo(SnapshotFiles.name(file)));
            flip(file, at, 1);
        }
    }

    private void assertFound(Part part, Path file, String how) throws IOException {
        var name = SnapshotFiles.name(file);
        assertThat(damages())
                .as("%s of %s", how, name)
                .singleElement()
                .satisfies(d -> {
                    assertThat(d.file()).isEqualTo(name);
                    assertThat(d.what()).contains(name);
                });
        switch (part.role) {
            case NEEDED ->
                    assertThat(refusal())
                            .as("a resume with %s of %s", how, name)
                            .hasValueSatisfying(m -> assertThat(m).contains(name));
            case HINT -> {
                assertThat(snapshot.workingSet()).isEqualTo(WorkingSet.EMPTY);
                assertThat(refusal()).isEmpty();
            }
            case AUDITED -> {
                if (part != Part.DISK || Files.size(file) == disk().length) {
                    assertThat(refusal()).isEmpty();
                } else {
                    assertThat(refusal()).hasValueSatisfying(m -> assertThat(m).contains(name));
                }
            }
        }
    }

    private List<StoreAudit.Damage> damages() {
        return new StoreAudit(store).verify(List.of(snapshot.id()), Progress.silent());
    }

    /** Why a resume would refuse; if it does not, the memory is right. */
    private Optional<String> refusal() {
        return failureOf(() -> readAll(store.open(snapshot.id())));
    }

    private static Optional<String> failureOf(Runnable reading) {
        try {
            reading.run();
            return Optional.empty();
        } catch (SnapshotCorrupt e) {
            return Optional.of(e.shownMessage());
        }
    }

    private void readAll(Snapshot from) {
        try (var image = from.image()) {
            readAll(image);
        }
    }

    private void readAll(MemoryImage image) {
        TestStore.assertReads(image, memory);
    }

    private Path fileOf(Part part) {
        return switch (part) {
            case LAYER -> store.layers().complete(layer().layer());
            case PACK -> store.layers().pack(layer().layer());
            case MANIFEST, VM_STATE, MAP, WORKING_SET, DISK, DISK_SUMS, ARCHIVED ->
                    snapshot.file(part.pattern);
        };
    }

    /** The older one, of more than one frame, which the snapshot shares with its parent. */
    private Manifest.LayerEntry layer() {
        return snapshot.manifest().layers().getFirst();
    }

    private List<Long> positions(Part part, Path file) throws IOException {
        long size = Files.size(file);
        var positions = new TreeSet<Long>();
        switch (part) {
            case LAYER -> {
                long table = LayerFile.tableOffset(layer().pages());
                addAll(positions, 0, 16);
                positions.add(LayerFile.HEADER_BYTES - 1L);
                for (long page = LayerFile.HEADER_BYTES; page < table; page += PAGE) {
                    positions.addAll(List.of(page, page + PAGE / 2, page + PAGE - 1));
                }
                addAll(positions, table, size);
            }
            case DISK -> {
                for (long chunk = 0; chunk < size; chunk += DiskSums.CHUNK_BYTES) {
                    long end = Math.min(size, chunk + DiskSums.CHUNK_BYTES);
                    positions.addAll(List.of(chunk, (chunk + end) / 2, end - 1));
                }
            }
            case MANIFEST, VM_STATE, MAP, WORKING_SET, DISK_SUMS, ARCHIVED, PACK ->
                    addAll(positions, 0, size);
        }
        return new ArrayList<>(positions);
    }

    private static void addAll(Set<Long> positions, long from, long to) {
        for (long at = from; at < to; at++) {
            positions.add(at);
        }
    }

    private static void flip(Path file, long at, int mask) throws IOException {
        var modified = Files.getLastModifiedTime(file);
        try (var channel =
                FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            var one = ByteBuffer.allocate(1);
            channel.read(one, at);
            channel.write(ByteBuffer.wrap(new byte[] {(byte) (one.get(0) ^ mask)}), at);
        }
        Files.setLastModifiedTime(file, FileTime.from(modified.toInstant()));
    }

    /** As if the damage had not moved the change time of the layer either. */
    private MemoryPlan disguised(Path layer) {
        var plan = snapshot.memory();
        var identity = FileIdentity.of(layer);
        var name = LayerFolder.layerOf(SnapshotFiles.name(layer));
        var layers =
                plan.manifest().layers().stream()
                        .map(l ->
                                l.layer().equals(name)
                                        ? new Manifest.LayerEntry(
                                                l.layer(),
                                                l.pages(),
                                                l.tableCrc(),
                                                identity.modifiedNanos(),
                                                identity.changedNanos())
                                        : l)
                        .toList();
        return new MemoryPlan(
                plan.manifest()
                        .withMemory(layers, plan.manifest().map(), plan.manifest().mapBytes()),
                plan.map());
    }
}
