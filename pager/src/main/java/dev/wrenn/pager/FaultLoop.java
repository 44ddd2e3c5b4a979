package dev.wrenn.pager;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.Fd;
import dev.wrenn.linux.Poll;
import dev.wrenn.linux.Uffd;
import dev.wrenn.pager.Installer.End;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.snapshot.WorkingSet;
import java.time.Duration;
import java.util.Arrays;
import java.util.BitSet;

/**
 * Answers the faults of one VM, each with the aligned cluster around it, and between two faults
 * installs what nobody has asked for yet: the working set, and if so configured the rest.
 *
 * <p>Everything is installed by this one thread. That is what makes giving back memory safe: while
 * a removal is announced and not read, the kernel refuses to install (EAGAIN); once it is read,
 * this thread knows of it before it installs anything else. A second installing thread could put a
 * page's old bytes back after the VM has dropped it, and nobody would notice.
 *
 * <p>Allocates nothing per fault but the run that the source returns.
 */
final class FaultLoop implements Uffd.Events, Resource {
    private static final int PAGE = PageSource.PAGE_BYTES;
    private static final int CLUSTER_PAGES = WorkingSet.CLUSTER_PAGES;
    private static final int UFFD = 0;
    private static final int PROCESS = 1;
    private static final int STOP = 2;
    private static final Duration SHORT_WAIT = Duration.ofMillis(1);

    private final GuestMemory memory;
    private final PageSource source;
    private final PrefetchPlan plan;
    private final TouchRecord touches;
    private final RemovedPages removed;
    private final PagerCounters counters;
    private final PagerConfig config;
    private final Installer installer;
    private final ZeroPasses zeroPasses;
    private final Stopwatch watch = Stopwatch.start();
    private final BitSet installed; // clusters that were installed whole
    private final int clusterCount;
    private long[] pending = new long[Uffd.maxEvents()]; // faults to answer once more
    private int pendingCount;
    private boolean isGone;
    private long faults;
    private long unaskedCopies;
    private long unaskedZeroes;
    private long unaskedPresent; // not duplicates: nobody asked twice
    private int fillCluster;

    FaultLoop(
            GuestMemory memory,
            Fd uffd,
            PageSource source,
            PrefetchPlan plan,
            TouchRecord touches,
            RemovedPages removed,
            PagerCounters counters,
            PagerConfig config) {
        this.memory = memory;
        this.source = source;
        this.plan = plan;
        this.touches = touches;
        this.removed = removed;
        this.counters = counters;
        this.config = config;
        this.installer = new Installer(uffd, source, removed);
        this.zeroPasses = new ZeroPasses(memory, installer.uffd());
        this.clusterCount =
                Math.toIntExact((source.pageCount() + CLUSTER_PAGES - 1) / CLUSTER_PAGES);
        this.installed = new BitSet(clusterCount);
        this.fillCluster = config.fillsInBackground() ? 0 : clusterCount;
    }

    /**
     * Serves until the process ends or the stop descriptor becomes readable.
     *
     * @param poll of the userfaultfd, the process and the stop descriptor, in this order
     * @return whether the kernel says that the memory is gone, which the process may not know yet
     * @throws WrennException if pages cannot be read or the VMM breaks the protocol
     */
    boolean run(Poll poll) {
        while (!isGone) {
            await(poll);
            if (poll.ready(PROCESS) != 0 || poll.ready(STOP) != 0) {
                return false;
            }
            plan.check();
            short ready = poll.ready(UFFD);
            if ((ready & (Poll.POLLERR | Poll.POLLNVAL)) != 0) {
                throw new WrennException(
                        Kind.INVALID, "the VMM made its userfaultfd blocking or broke it");
            }
            if ((ready & Poll.POLLIN) != 0) {
                installer.uffd().read(this);
            }
            if (pendingCount > 0) {
                answerPending();
            }
            if ((ready & Poll.POLLIN) == 0) {
                installUnasked();
            }
            publish();
        }
        return true;
    }

    private void await(Poll poll) {
        if (pendingCount > 0 || plan.isPrimed() || isZeroPassDue()) {
            poll.isReady();
        } else if (plan.isUnfinished()) {
            poll.await(SHORT_WAIT);
        } else if (!zeroPasses.isSettled()) {
            poll.await(Duration.ofNanos(zeroPasses.waitNanos()));
        } else if (fillCluster < clusterCount) {
            poll.await(config.fillPause());
        } else {
            poll.await();
        }
    }

    private boolean isZeroPassDue() {
        return !zeroPasses.isSettled() && zeroPasses.waitNanos() == 0;
    }

    @Override
    public void pageFault(long hostAddress) {
        long start = watch.elapsedNanos();
        faults++;
        answer(hostAddress & -PAGE);
        counters.times().add(watch.elapsedNanos() - start);
    }

    private void answer(long address) {
        var region = memory.at(address);
        int page = Math.toIntExact(region.offsetOf(address) / PAGE);
        int cluster = page / CLUSTER_PAGES;
        touches.touched(cluster);
        long before = installer.presentPages();
        // A fault in a cluster that is there: another processor was first, or the page was given
        // back since. Trying the whole cluster again would fail page by page.
        var end = installed.get(cluster) ? install(region, page, 1) : install(region, cluster);
        if (end == End.AGAIN) {
            if (pendingCount == pending.length) {
                pending = Arrays.copyOf(pending, 2 * pendingCount);
            }
            pending[pendingCount++] = address;
        } else if (installer.presentPages() != before) {
            // Some page, perhaps the very one, was there already: nobody else wakes its reader.
            installer.uffd().wake(address, PAGE);
        }
    }

    private void answerPending() {
        int waiting = pendingCount;
        pendingCount = 0; // answer() adds behind those that were looked at
        for (int i = 0; i < waiting; i++) {
            answer(pending[i]);
        }
    }

    /** Installs the part of a cluster that lies in that region. */
    private End install(MemoryRegion region, int cluster) {
        int first = cluster * CLUSTER_PAGES;
        int last = (int) Math.min(first + CLUSTER_PAGES, source.pageCount());
        int regionFirst = (int) (region.offsetBytes() / PAGE);
        int regionLast = (int) (region.endOffset() / PAGE);
        int from = Math.max(first, regionFirst);
        int to = Math.min(last, regionLast);
        if (from >= to) {
            return End.COMPLETE;
        }
        var end = install(region, from, to - from);
        if (end == End.COMPLETE && from == first && to == last) {
            installed.set(cluster);
        }
        return end;
    }

    private End install(MemoryRegion region, int firstPage, int count) {
        var end = installer.install(region, firstPage, count);
        isGone |= end == End.GONE;
        return end;
    }

    @Override
    public void removed(long hostAddress, long endAddress) {
        var region = memory.at(hostAddress);
        long end = Math.min(endAddress, region.hostAddress() + region.sizeBytes());
        int first = Math.toIntExact(region.offsetOf(hostAddress) / PAGE);
        int last = first + Math.toIntExact((end - hostAddress) / PAGE);
        removed.add(first, last);
        zeroPasses.add(first, last);
    }

    /** One piece of whatever is most useful; short, because a fault may be waiting. */
    private void installUnasked() {
        long copies = installer.copiedPages();
        long zeroes = installer.zeroedPages();
        if (plan.isPrimed()) {
            installPiece();
        } else if (isZeroPassDue()) {
            isGone |= !zeroPasses.step();
        } else if (!plan.isUnfinished() && fillCluster < clusterCount) {
            fill();
        }
        unaskedCopies += installer.copiedPages() - copies;
        unaskedZeroes += installer.zeroedPages() - zeroes;
    }

    private void installPiece() {
        int first = plan.firstPage() / CLUSTER_PAGES;
        int last = (plan.firstPage() + plan.pageCount() - 1) / CLUSTER_PAGES;
        for (int cluster = first; cluster <= last; cluster++) {
            if (installEverywhere(cluster) == End.AGAIN) {
                return; // the same piece again, after reading what is going on
            }
        }
        plan.advance();
    }

    private void fill() {
        fillCluster = installed.nextClearBit(fillCluster);
        if (fillCluster < clusterCount && installEverywhere(fillCluster) != End.AGAIN) {
            fillCluster++;
        }
    }

    private End installEverywhere(int cluster) {
        if (installed.get(cluster)) {
            return End.COMPLETE;
        }
        long present = installer.presentPages();
        for (var region : memory.regions()) {
            var end = install(region, cluster);
            if (end != End.COMPLETE) {
                return end;
            }
        }
        unaskedPresent += installer.presentPages() - present;
        return End.COMPLETE;
    }

    private void publish() {
        counters.publish(
                faults,
                installer.copiedPages() - unaskedCopies,
                installer.zeroedPages() - unaskedZeroes,
                unaskedCopies + unaskedZeroes,
                installer.presentPages() - unaskedPresent,
                zeroPasses.isSettled());
    }

    @Override
    public void close() {
        installer.close();
    }
}
