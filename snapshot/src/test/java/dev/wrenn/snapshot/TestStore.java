package dev.wrenn.snapshot;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.ByteSize;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.time.Instant;
import java.util.Collection;
import java.util.Map;
import java.util.Optional;

/** Makes snapshots of memory held in an array, and reads them back. */
final class TestStore {
    static final int PAGE = PageSource.PAGE_BYTES;

    private TestStore() {}

    static Snapshot save(
            SnapshotStore store,
            Optional<Snapshot> parent,
            byte[] memory,
            Collection<Integer> dirty,
            byte[] disk) {
        try (var draft = store.draft(SnapshotId.random());
                var arena = Arena.ofConfined()) {
            Files.writeString(draft.vmState(), "devices of " + parent.map(Snapshot::id));
            Files.write(draft.disk(), disk);
            var layer = draft.memory(parent, memory.length / PAGE);
            var page = arena.allocate(PAGE);
            for (int dirtyPage : dirty) {
                page.asByteBuffer().put(ByteBuffer.wrap(memory, dirtyPage * PAGE, PAGE));
                layer.pages(dirtyPage, page);
            }
            return draft.seal(facts(parent, memory.length));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    static ManifestFacts facts(Optional<Snapshot> parent, long memoryBytes) {
        return new ManifestFacts(
                parent.map(Snapshot::id),
                Instant.EPOCH,
                "QEMU",
                "7.2",
                1,
                new ByteSize(memoryBytes),
                "6.1",
                "minimal",
                Map.of("k", "v"));
    }

    /** Reads all of a source, run by run. */
    static void assertReads(PageSource source, byte[] expected) {
        assertThat(source.pageCount() * PAGE).isEqualTo(expected.length);
        var all = MemorySegment.ofArray(expected);
        int pages = expected.length / PAGE;
        int page = 0;
        while (page < pages) {
            var run = source.run(page, pages);
            var want = all.asSlice((long) page * PAGE, (long) run.pages() * PAGE);
            long mismatch =
                    switch (run) {
                        case PageSource.Run.Zero(int count) ->
                                want.mismatch(MemorySegment.ofArray(new byte[count * PAGE]));
                        case PageSource.Run.Stored(int _, MemorySegment bytes) ->
                                want.mismatch(bytes);
                    };
            assertThat(mismatch).as("first wrong byte from page %d on", page).isEqualTo(-1);
            page += run.pages();
        }
    }
}
