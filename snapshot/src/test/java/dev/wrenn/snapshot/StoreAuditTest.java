package dev.wrenn.snapshot;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the audit says of shared files, of disks, and of what all costs. */
final class StoreAuditTest {
    private static final int PAGES = 64;
    private static final int PAGE = PageSource.PAGE_BYTES;

    @TempDir private Path folder;
    private SnapshotStore store;
    private StoreAudit audit;

    @BeforeEach
    void openStore() {
        store = new SnapshotStore(folder);
        audit = new StoreAudit(store);
    }

    @Test
    void a_missing_file_is_a_damage_of_every_snapshot_that_needs_it() throws IOException {
        var parent = aSnapshot();
        var memory = memory(3);
        var child = TestStore.save(store, Optional.of(parent), memory, List.of(2), disk());
        var shared = child.manifest().layers().getFirst().layer();
        Files.delete(store.layerFolder().resolve(SnapshotFiles.layerFile(shared)));

        assertThat(verify())
                .extracting(StoreAudit.Damage::snapshot)
                .containsExactlyInAnyOrder(parent.id().text(), child.id().text());
    }

    @Test
    void holes_and_what_a_child_shares_count_like_any_other_byte() throws IOException {
        var parent = aSnapshot();
        store.maintain();
        var disk = disk();
        disk[3 * DiskSums.CHUNK_BYTES + 5] ^= 1;
        var child = TestStore.save(store, Optional.of(parent), memory(4), List.of(1), disk);

        store.maintain();

        var own = child.diskSums().orElseThrow();
        var alone = DiskSums.of(child.disk(), Optional.empty());
        assertThat(own.encode()).isEqualTo(alone.encode());
        assertThat(own.isZero(1)).isTrue();
        assertThat(own.sum(3)).isNotEqualTo(parent.diskSums().orElseThrow().sum(3));
    }

    @Test
    void a_list_says_what_is_there_and_what_it_costs() throws IOException {
        var first = aSnapshot();
        var second = TestStore.save(store, Optional.of(first), memory(9), List.of(1, 2), disk());

        assertThat(audit.list())
                .extracting(StoreAudit.Entry::snapshot)
                .containsExactlyInAnyOrder(first.id().text(), second.id().text());
        assertThat(audit.inspect(second.id()).depth()).isEqualTo(2);
        assertThat(audit.inspect(second.id()).storedBytes()).isEqualTo(10L * PAGE);
        assertThat(audit.inspect(second.id()).amplification()).isGreaterThan(1.2);
        assertThat(audit.space().liveBytes()).isEqualTo(12L * PAGE);
        store.delete(first.id());
        assertThat(audit.space().liveBytes()).isEqualTo(10L * PAGE);
        assertThat(audit.space().amplification()).isGreaterThan(1.2);
    }

    private List<StoreAudit.Damage> verify() {
        return audit.verify(store.list(), Progress.silent());
    }

    private Snapshot aSnapshot() {
        var snapshot =
                TestStore.save(
                        store,
                        Optional.empty(),
                        memory(1),
                        List.of(1, 2, 3, 4, 5, 20, 21, 22, 23, 24),
                        disk());
        snapshot.storeWorkingSet(WorkingSet.of(3, 1, 2));
        store.maintain();
        return snapshot;
    }

    private static byte[] memory(int seed) {
        var memory = new byte[PAGES * PAGE];
        new Random(seed).nextBytes(memory);
        return memory;
    }

    /** Five chunks and a piece, the second one zero. */
    private static byte[] disk() {
        var disk = new byte[5 * DiskSums.CHUNK_BYTES + 1000];
        new Random(2).nextBytes(disk);
        java.util.Arrays.fill(disk, DiskSums.CHUNK_BYTES, 2 * DiskSums.CHUNK_BYTES, (byte) 0);
        return disk;
    }
}
