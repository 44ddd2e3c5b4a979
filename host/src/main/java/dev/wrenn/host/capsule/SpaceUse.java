package dev.wrenn.host.capsule;

import dev.wrenn.contract.host.HostTotals;
import dev.wrenn.snapshot.SnapshotId;
import dev.wrenn.snapshot.SnapshotStore;
import dev.wrenn.snapshot.StoreAudit;
import java.util.Optional;
import java.util.Set;

/**
 * What the memory of all snapshots costs on the volume, as of the last time that they had changed.
 * Counting reads every page map, so it is not done for each who asks.
 */
final class SpaceUse {
    private final SnapshotStore store;
    private Set<SnapshotId> counted = Set.of(); // by refresh() only, which one thread calls
    private volatile Optional<HostTotals.Snapshots> last = Optional.empty(); // read by anyone

    SpaceUse(SnapshotStore store) {
        this.store = store;
    }

    /** Counts anew if snapshots came or went. */
    void refresh() {
        var present = store.list();
        if (last.isEmpty() || !present.equals(counted)) {
            last = Optional.of(count());
            counted = present;
        }
    }

    HostTotals.Snapshots read() {
        return last.orElseGet(this::count);
    }

    private HostTotals.Snapshots count() {
        var space = new StoreAudit(store).space();
        return new HostTotals.Snapshots(
                space.snapshots(),
                space.layers(),
                space.layerBytes(),
                space.liveBytes(),
                space.deepest());
    }
}
