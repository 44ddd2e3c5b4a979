package dev.wrenn.pager;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
import dev.wrenn.base.Pause;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.Fd;
import dev.wrenn.linux.LinuxException;
import dev.wrenn.linux.Pidfd;
import dev.wrenn.linux.Poll;
import dev.wrenn.linux.Uffd;
import dev.wrenn.linux.UnixSocket;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.snapshot.WorkingSet;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves the memory of one VM from a page source.
 *
 * <p>Threads: one platform thread waits for faults and answers each with the aligned cluster around
 * it; another one installs the working set in large pieces as soon as the VMM has connected. Both
 * call the same kernel interface, which sorts out who was first. Nothing is allocated per fault
 * beyond the run the source returns.
 *
 * <p>Failure: if the source fails, the listener is told once and serving stops. The VM's threads
 * then wait, they do not read garbage; whoever listens ends the VM. If this process dies they wait
 * as well, and {@link Pager#adopt} serves on. Pages given back by the VM are remembered here only:
 * no VMM of ours has a balloon.
 */
public final class PageServer implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(PageServer.class);
    private static final int PAGE = PageSource.PAGE_BYTES;
    private static final int CLUSTER = WorkingSet.CLUSTER_BYTES;
    private static final int PREFETCH_BYTES = 4 * CLUSTER;
    private static final Duration RETRY_INTERVAL = Duration.ofNanos(50_000);
    private static final Duration RETRY_LIMIT = Duration.ofSeconds(5);

    private final String name;
    private final PagerConfig config;
    private final Optional<PageSource> source;
    private final Consumer<WrennException> onFailure;
    private final WorkingSet prefetch;
    private final TouchRecord touches;
    private final RemovedPages removed = new RemovedPages();
    private final ServiceTimes times = new ServiceTimes();
    private final List<UnixSocket> stop = UnixSocket.pair();
    private final CompletableFuture<Connection> connected = new CompletableFuture<>();
    private final AtomicBoolean failed = new AtomicBoolean();
    private final AtomicBoolean closed = new AtomicBoolean();
    private final Loop thread;
    private volatile Optional<Loop> prefetching = Optional.empty(); // set by the fault thread
    private volatile long faults; // the counters are written by one thread each
    private volatile long copied;
    private volatile long zeroed;
    private volatile long duplicates;
    private volatile long prefetched;
    private volatile boolean stopping;

    /** A VM whose memory is known. */
    private record Connection(
            List<MemoryRegion> regions, Optional<Fd> uffd, Pidfd process, long pid)
            implements Resource {
        @Override
        public void close() {
            uffd.ifPresent(Fd::close);
            process.close();
        }
    }

    /** How the VM is met. */
    private interface Meeting {
        Connection meet();
    }

    private PageServer(
            String name,
            PagerConfig config,
            Optional<PageSource> source,
            WorkingSet prefetch,
            Consumer<WrennException> onFailure,
            Meeting meeting) {
        this.name = name;
        this.config = config;
        this.source = source;
        this.prefetch = prefetch;
        this.onFailure = onFailure;
        this.touches = new TouchRecord(prefetch, config.recordingLimit().bytes());
        this.thread = Loop.onPlatformThread("pager-" + name, () -> run(meeting));
    }

    /** Listens now; a VMM that connects later is served. */
    static PageServer listening(
            String name,
            PagerConfig config,
            UnixSocket listener,
            Optional<PageSource> source,
            WorkingSet prefetch,
            Consumer<WrennException> onFailure) {
        return new PageServer(
                name,
                config,
                source,
                prefetch,
                onFailure,
                () -> accept(listener, config, source.isPresent()));
    }

    /** Serves on for a VM whose earlier page server is gone. */
    static PageServer adopting(
            String name,
            PagerConfig config,
            Pidfd process,
            long pid,
            Fd uffd,
            List<MemoryRegion> regions,
            PageSource source,
            Consumer<WrennException> onFailure) {
        return new PageServer(
                name,
                config,
                Optional.of(source),
                WorkingSet.EMPTY,
                onFailure,
                () -> {
                    wakeAll(uffd, regions);
                    return new Connection(regions, Optional.of(uffd), process, pid);
                });
    }

    private static Connection accept(UnixSocket listener, PagerConfig config, boolean lazy) {
        var deadline = Deadline.after(config.connectLimit());
        try (listener;
                var connection = listener.accept(deadline)) {
            var handshake = Handshake.receive(connection, deadline);
            if (handshake.uffd().isPresent() != lazy) {
                handshake.uffd().ifPresent(Fd::close);
                throw new WrennException(
                        Kind.UNAVAILABLE,
                        lazy
                                ? "the VMM sent no userfaultfd"
                                : "the VMM sent a userfaultfd that nobody asked for");
            }
            long pid = connection.peerPid();
            return new Connection(handshake.regions(), handshake.uffd(), Pidfd.open(pid), pid);
        }
    }

    /**
     * A fault that a dead server had read is not shown again: its thread only looks anew when it is
     * woken (Linux fs/userfaultfd.c, fault_wqh).
     */
    private static void wakeAll(Fd fd, List<MemoryRegion> regions) {
        try (var uffd = new Uffd(fd)) {
            regions.forEach(r -> uffd.wake(r.hostAddress(), r.sizeBytes()));
        }
    }

    private void run(Meeting meeting) {
        Connection connection;
        try {
            connection = meeting.meet();
        } catch (WrennException e) {
            connected.completeExceptionally(e);
            return;
        }
        try (connection) {
            connected.complete(connection);
            if (source.isPresent() && connection.uffd().isPresent()) {
                serve(connection, connection.uffd().get(), source.get());
            } else {
                awaitEnd(connection);
            }
        } catch (LinuxException e) {
            fail(e);
        } catch (WrennException e) {
            fail(e);
        } finally {
            stopping = true;
            prefetching.ifPresent(Loop::close);
        }
    }

    private void serve(Connection connection, Fd fd, PageSource pages) {
        prefetching =
                Optional.of(
                        Loop.onPlatformThread(
                                "prefetch-" + name, () -> prefetch(connection, fd, pages)));
        try (var arena = Arena.ofConfined();
                var installer = new Installer(fd, pages, removed)) {
            var poll = new Poll(arena, fd, connection.process().fd(), stop.getFirst().fd());
            var answering = new Answering(connection.regions(), installer);
            while (!stopping) {
                poll.await();
                if (poll.ready(1) != 0 || poll.ready(2) != 0) {
                    return;
                }
                if (poll.ready(0) != 0) {
                    answering.answerAll();
                }
            }
        }
    }

    private void awaitEnd(Connection connection) {
        try (var arena = Arena.ofConfined()) {
            var poll = new Poll(arena, connection.process().fd(), stop.getFirst().fd());
            while (poll.ready(0) == 0 && poll.ready(1) == 0) {
                poll.await();
            }
        }
    }

    /** The fault thread's work between two waits. */
    private final class Answering implements Uffd.Events {
        private final List<MemoryRegion> regions;
        private final Installer installer;
        private final ArrayDeque<Long> again = new ArrayDeque<>();
        private long answered;

        Answering(List<MemoryRegion> regions, Installer installer) {
            this.regions = regions;
            this.installer = installer;
        }

        void answerAll() {
            installer.uffd().read(this);
            // A mapping that is changing settles once the event about it has been read.
            var limit = Deadline.after(RETRY_LIMIT);
            while (!again.isEmpty() && !stopping) {
                limit.check("answering a fault in a changing mapping");
                installer.uffd().read(this);
                int waiting = again.size();
                for (int i = 0; i < waiting; i++) {
                    answer(again.remove());
                }
            }
            copied = installer.copiedPages();
            zeroed = installer.zeroedPages();
            duplicates = installer.presentPages();
        }

        @Override
        public void pageFault(long hostAddress) {
            long start = System.nanoTime();
            faults = ++answered;
            answer(hostAddress & -PAGE);
            times.add(System.nanoTime() - start);
        }

        @Override
        public void removed(long hostAddress, long endAddress) {
            var region = regionOf(hostAddress);
            removed.add(region.offsetOf(hostAddress) / PAGE, region.offsetOf(endAddress) / PAGE);
        }

        private void answer(long address) {
            var region = regionOf(address);
            long offset = region.offsetOf(address);
            long start = Math.max(offset & -CLUSTER, region.offsetBytes());
            long end = Math.min((offset & -CLUSTER) + CLUSTER, region.endOffset());
            touches.touched((int) (offset / CLUSTER));
            long before = installer.presentPages();
            switch (installer.install(region, start, end - start)) {
                case COMPLETE -> {
                    if (installer.presentPages() != before) {
                        // Some page, perhaps the very one, was there: nobody else wakes its reader.
                        installer.uffd().wake(address, PAGE);
                    }
                }
                case AGAIN -> again.add(address);
                case GONE -> stopping = true;
            }
        }

        private MemoryRegion regionOf(long address) {
            for (var region : regions) {
                if (region.contains(address)) {
                    return region;
                }
            }
            throw new WrennException(Kind.BUG, "a fault came from outside of the guest's memory");
        }
    }

    private void prefetch(Connection connection, Fd fd, PageSource pages) {
        try (var installer = new Installer(fd, pages, removed)) {
            int[] clusters = prefetch.toArray();
            Arrays.sort(clusters);
            for (int i = 0; i < clusters.length && !stopping; ) {
                int length = 1;
                while (i + length < clusters.length
                        && clusters[i + length] == clusters[i] + length
                        && (long) length * CLUSTER < PREFETCH_BYTES) {
                    length++;
                }
                load(connection, installer, (long) clusters[i] * CLUSTER, (long) length * CLUSTER);
                i += length;
                prefetched = installer.copiedPages() + installer.zeroedPages();
            }
            if (config.fillsInBackground()) {
                fill(connection, installer, pages);
            }
        } catch (WrennException e) {
            fail(e);
        }
    }

    private void fill(Connection connection, Installer installer, PageSource pages) {
        long end = pages.pageCount() * PAGE;
        for (long at = 0; at < end && !stopping; at += PREFETCH_BYTES) {
            long before = faults;
            load(connection, installer, at, Math.min(PREFETCH_BYTES, end - at));
            prefetched = installer.copiedPages() + installer.zeroedPages();
            Pause.until(
                    () -> stopping || faults == before,
                    config.fillPause(),
                    Deadline.after(config.fillPause().multipliedBy(10)));
        }
    }

    private void load(Connection connection, Installer installer, long offset, long bytes) {
        for (var region : connection.regions()) {
            long start = Math.max(offset, region.offsetBytes());
            long end = Math.min(offset + bytes, region.endOffset());
            if (start >= end) {
                continue;
            }
            Pause.until(
                    () ->
                            switch (installer.install(region, start, end - start)) {
                                case COMPLETE -> true;
                                case AGAIN -> stopping;
                                case GONE -> {
                                    stopping = true;
                                    yield true;
                                }
                            },
                    RETRY_INTERVAL,
                    Deadline.after(RETRY_LIMIT));
        }
    }

    private void fail(WrennException cause) {
        if (!stopping && failed.compareAndSet(false, true)) {
            LOG.atError().setCause(cause).addKeyValue("vm", name).log("page server failed");
            stopping = true;
            onFailure.accept(cause);
        }
    }

    /** Waits until the VMM has connected and its memory is known. */
    public void awaitConnected(Deadline deadline) {
        connection(deadline);
    }

    /** Guest memory in the VMM; only after it has connected. */
    public List<MemoryRegion> regions() {
        return connection(Deadline.after(Duration.ZERO)).regions();
    }

    /** The VMM's process; only after it has connected. */
    public long vmmPid() {
        return connection(Deadline.after(Duration.ZERO)).pid();
    }

    /** Whether serving ended because of a failure. */
    public boolean hasFailed() {
        return failed.get();
    }

    /** What happened so far. */
    public PagerStats stats() {
        return new PagerStats(
                faults,
                copied,
                zeroed,
                prefetched,
                duplicates,
                times.quantileNanos(0.5),
                times.quantileNanos(0.99),
                times.maxNanos());
    }

    /** What a next resume should prefetch. */
    public WorkingSet firstTouches() {
        return touches.workingSet();
    }

    /** Ends the recording of first touches. */
    public void stopRecording() {
        touches.stop();
    }

    /**
     * Hands every page that may differ from the page source to the sink. The VM's processors must
     * be stopped.
     */
    public void capture(PageSink sink) {
        var connection = connection(Deadline.after(Duration.ZERO));
        new Capture(connection.pid(), connection.regions(), connection.uffd().isPresent())
                .run(sink, removed.copy());
    }

    private Connection connection(Deadline deadline) {
        try {
            return connected.get(Math.max(1, deadline.left().toNanos()), TimeUnit.NANOSECONDS);
        } catch (TimeoutException _) {
            throw new WrennException(Kind.UNAVAILABLE, "the VMM did not connect to the pager");
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new WrennException(Kind.UNAVAILABLE, "waiting for the VMM was interrupted");
        } catch (ExecutionException e) {
            if (e.getCause() instanceof WrennException failure) {
                throw failure;
            }
            throw new WrennException(Kind.BUG, "meeting the VMM failed", e.getCause());
        }
    }

    /** Stops serving; the VM is not touched. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            stopping = true;
            stop.getLast().close();
            thread.close();
            stop.getFirst().close();
        }
    }
}
