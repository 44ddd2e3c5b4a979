package dev.wrenn.host.capsule;

import java.util.concurrent.atomic.LongAdder;

/** Counts what happens to the VMs of a host agent. Thread-safe; only grows. */
public final class Tally {
    private final LongAdder starts = new LongAdder();
    private final LongAdder saves = new LongAdder();
    private final LongAdder savedBytes = new LongAdder();
    private final LongAdder losses = new LongAdder();

    void started() {
        starts.increment();
    }

    void saved(long bytes) {
        saves.increment();
        savedBytes.add(bytes);
    }

    void lost() {
        losses.increment();
    }

    /** Creates and resumes that succeeded. */
    public long starts() {
        return starts.sum();
    }

    /** Snapshots that were written of running capsules. */
    public long saves() {
        return saves.sum();
    }

    /** Memory that these wrote. */
    public long savedBytes() {
        return savedBytes.sum();
    }

    /** VMs that ended although nobody asked for it. */
    public long losses() {
        return losses.sum();
    }
}
