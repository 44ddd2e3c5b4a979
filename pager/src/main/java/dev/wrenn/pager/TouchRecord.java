package dev.wrenn.pager;

import dev.wrenn.snapshot.WorkingSet;
import java.util.Arrays;
import java.util.BitSet;

/**
 * Order in which clusters were first needed: those of the working set it started with, then what
 * faulted besides. Written by the fault thread, read by any.
 */
final class TouchRecord {
    private final BitSet seen = new BitSet();
    private final int limit;
    private int[] order;
    private int count;
    private boolean stopped;

    TouchRecord(WorkingSet known, long limitBytes) {
        order = Arrays.copyOf(known.toArray(), Math.max(64, known.size()));
        count = known.size();
        limit = (int) Math.min(Integer.MAX_VALUE, limitBytes / WorkingSet.CLUSTER_BYTES);
        for (int i = 0; i < count; i++) {
            seen.set(order[i]);
        }
    }

    synchronized void touched(int cluster) {
        if (stopped || count >= limit || seen.get(cluster)) {
            return;
        }
        seen.set(cluster);
        if (count == order.length) {
            order = Arrays.copyOf(order, 2 * count);
        }
        order[count++] = cluster;
    }

    synchronized void stop() {
        stopped = true;
    }

    synchronized WorkingSet workingSet() {
        return WorkingSet.of(Arrays.copyOf(order, count));
    }
}
