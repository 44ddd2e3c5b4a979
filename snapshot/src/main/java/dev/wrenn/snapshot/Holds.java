package dev.wrenn.snapshot;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Snapshots that must stay although no root names them yet: those being made, those just made, and
 * those that somebody holds on to. Also orders whatever adds, lists or removes snapshots.
 *
 * <p>Roots are read at one moment and a snapshot is removed at a later one. Whoever makes a
 * snapshot a root in between has held it while doing so; therefore a collection spares also what
 * was let go since it began. Thread-safe.
 */
final class Holds {
    private final Object lock = new Object();

    @GuardedBy("lock")
    private final Map<SnapshotId, Integer> held = new HashMap<>();

    @GuardedBy("lock")
    private final Set<SnapshotId> drafting = new HashSet<>();

    @GuardedBy("lock")
    private final Set<SnapshotId> fresh = new HashSet<>();

    /** Let go since the present collection began. */
    @GuardedBy("lock")
    private final Set<SnapshotId> letGo = new HashSet<>();

    @GuardedBy("lock")
    private boolean collecting;

    /** Runs something that no addition, removal or listing of snapshots overlaps. */
    <T> T alone(Supplier<T> work) {
        synchronized (lock) {
            return work.get();
        }
    }

    void drafting(SnapshotId id) {
        synchronized (lock) {
            drafting.add(id);
        }
    }

    Set<SnapshotId> drafts() {
        synchronized (lock) {
            return Set.copyOf(drafting);
        }
    }

    /** The draft is a snapshot now, which stays until its maker says that a root names it. */
    void sealed(SnapshotId id, Runnable publish) {
        synchronized (lock) {
            publish.run();
            fresh.add(id);
        }
    }

    /** The draft ended, sealed or not. */
    void ended(SnapshotId id) {
        synchronized (lock) {
            drafting.remove(id);
        }
    }

    /** The maker of a snapshot leaves it to the roots. */
    void settled(SnapshotId id) {
        synchronized (lock) {
            if (fresh.remove(id)) {
                remember(id);
            }
        }
    }

    /**
     * Takes a hold.
     *
     * @param check fails if there is nothing to hold
     */
    void hold(SnapshotId id, Runnable check) {
        synchronized (lock) {
            check.run();
            held.merge(id, 1, Integer::sum);
        }
    }

    void letGo(SnapshotId id) {
        synchronized (lock) {
            if (held.merge(id, -1, Integer::sum) == 0) {
                held.remove(id);
            }
            remember(id);
        }
    }

    @GuardedBy("lock")
    private void remember(SnapshotId id) {
        if (collecting) {
            letGo.add(id);
        }
    }

    /** From here on whatever is let go stays, until the collection ends. */
    void beginCollection() {
        synchronized (lock) {
            collecting = true;
            letGo.clear();
        }
    }

    void endCollection() {
        synchronized (lock) {
            collecting = false;
            letGo.clear();
        }
    }

    /** Runs the removal unless the snapshot must stay. */
    boolean removeIfFree(SnapshotId id, Runnable removal) {
        synchronized (lock) {
            boolean isNeeded =
                    held.containsKey(id)
                            || fresh.contains(id)
                            || drafting.contains(id)
                            || letGo.contains(id);
            if (!isNeeded) {
                removal.run();
            }
            return !isNeeded;
        }
    }

    /** Runs the removal of a snapshot that its maker does not want after all. */
    void remove(SnapshotId id, Runnable removal) {
        synchronized (lock) {
            fresh.remove(id);
            removal.run();
        }
    }
}
