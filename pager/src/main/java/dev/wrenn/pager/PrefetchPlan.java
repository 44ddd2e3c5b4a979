package dev.wrenn.pager;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.snapshot.PageSource.Run;
import dev.wrenn.snapshot.WorkingSet;
import java.util.Arrays;
import java.util.BitSet;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The pieces a working set is installed in, roughly in the order it was recorded: within a window
 * clusters are sorted and neighbours merged, because larger copies are cheaper.
 *
 * <p>Two threads: one {@linkplain #prime primes} the pieces, which brings them into the page cache
 * and checks their sums, the fault loop installs what is primed. So the loop never waits for a disk
 * on behalf of a page that nobody asked for, and all copying still happens on one thread.
 */
final class PrefetchPlan {
    private static final int WINDOW_CLUSTERS = 64;
    private static final int PIECE_CLUSTERS = 2; // how long a fault may wait for a copy: ~30 µs

    private final int[] firstPages;
    private final int[] pageCounts;
    private final int pieces;
    private volatile int primed; // written by the priming thread, read by the fault loop
    private volatile @Nullable Throwable failure; // the same
    private int installed; // fault loop only

    /**
     * @param workingSet fits the memory, see {@link #fitting}
     */
    PrefetchPlan(WorkingSet workingSet, long pageCount) {
        int[] clusters = workingSet.toArray();
        firstPages = new int[clusters.length];
        pageCounts = new int[clusters.length];
        int count = 0;
        for (int from = 0; from < clusters.length; from += WINDOW_CLUSTERS) {
            int to = Math.min(clusters.length, from + WINDOW_CLUSTERS);
            Arrays.sort(clusters, from, to);
            for (int i = from; i < to; ) {
                int length = 1;
                while (i + length < to
                        && length < PIECE_CLUSTERS
                        && clusters[i + length] == clusters[i] + length) {
                    length++;
                }
                int first = clusters[i] * WorkingSet.CLUSTER_PAGES;
                firstPages[count] = first;
                pageCounts[count] =
                        (int) Math.min((long) length * WorkingSet.CLUSTER_PAGES, pageCount - first);
                count++;
                i += length;
            }
        }
        pieces = count;
    }

    /** A working set is a hint that may be of another memory: what does not fit is left out. */
    static WorkingSet fitting(WorkingSet workingSet, long pageCount) {
        int clusterCount =
                Math.toIntExact(
                        (pageCount + WorkingSet.CLUSTER_PAGES - 1) / WorkingSet.CLUSTER_PAGES);
        var seen = new BitSet(clusterCount);
        var clusters = new int[workingSet.size()];
        int count = 0;
        for (int i = 0; i < workingSet.size(); i++) {
            int cluster = workingSet.cluster(i);
            if (cluster >= 0 && cluster < clusterCount && !seen.get(cluster)) {
                seen.set(cluster);
                clusters[count++] = cluster;
            }
        }
        return WorkingSet.of(Arrays.copyOf(clusters, count));
    }

    /** Reads every piece; on a thread of its own. A failure is kept for the fault loop. */
    void prime(PageSource source, BooleanSupplier isStopping) {
        try {
            for (int i = 0; i < pieces && !isStopping.getAsBoolean(); i++) {
                int page = firstPages[i];
                int end = page + pageCounts[i];
                while (page < end) {
                    Run run = source.run(page, end - page);
                    page += run.pages();
                }
                primed = i + 1;
            }
        } catch (RuntimeException | Error e) {
            failure = e; // Error: the JVM reports a file cut short under its mapping that way
        }
    }

    /**
     * Ends the fault loop if the pages cannot be read: the VM would need them soon.
     *
     * @throws WrennException what the source threw
     */
    void check() {
        var cause = failure;
        if (cause instanceof WrennException e) {
            throw e;
        } else if (cause != null) {
            throw new WrennException(Kind.CORRUPT, "the working set cannot be read", cause);
        }
    }

    /** Whether anything is left to install, primed or not. */
    boolean isUnfinished() {
        return installed < pieces;
    }

    /** Whether {@link #firstPage} may be installed now. */
    boolean isPrimed() {
        return installed < primed;
    }

    int firstPage() {
        return firstPages[installed];
    }

    int pageCount() {
        return pageCounts[installed];
    }

    void advance() {
        installed++;
    }
}
