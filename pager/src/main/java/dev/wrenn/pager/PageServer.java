package dev.wrenn.pager;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.Fd;
import dev.wrenn.linux.Pidfd;
import dev.wrenn.linux.Poll;
import dev.wrenn.linux.UnixSocket;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.snapshot.WorkingSet;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves the memory of one VM from a page source.
 *
 * <p>Threads: one platform thread meets the VMM, answers its faults and installs the working set
 * between them; another one primes the working set from the start on, while the VMM is still
 * starting, and ends when that is done. Both have ended when {@link #close()} returns.
 *
 * <p>Failure: if the pages cannot be served, the listener is told once, as the last thing the
 * thread does. The VM's threads then wait, they do not read garbage; whoever listens ends the VM.
 * If this process dies they wait as well, and {@link Pager#adopt} serves on. The end of the VM is
 * no failure.
 */
public final class PageServer implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(PageServer.class);
    private static final Duration END_LIMIT = Duration.ofSeconds(5);

    private final String name;
    private final PagerConfig config;
    private final Optional<PageSource> source;
    private final Consumer<WrennException> onFailure;
    private final PagerTotals totals;
    private final PrefetchPlan plan;
    private final TouchRecord touches;
    private final RemovedPages removed = new RemovedPages();
    private final PagerCounters counters = new PagerCounters();
    private final List<UnixSocket> stop = UnixSocket.pair(); // closing the last wakes the first
    private final CompletableFuture<Connection> connected = new CompletableFuture<>();
    private final AtomicBoolean closed = new AtomicBoolean();
    private final Optional<Loop> priming;
    private final Loop serving;
    private volatile boolean isStopping; // by close() and the serving thread, read by the priming
    private volatile @Nullable WrennException failure; // by the serving thread, read by any

    /**
     * A VM whose memory is known.
     *
     * @param channel kept open as long as the VM lives; a VMM may take its end for ours
     */
    record Connection(
            GuestMemory memory,
            Optional<Fd> uffd,
            Pidfd process,
            long pid,
            Optional<UnixSocket> channel)
            implements Resource {
        @Override
        public void close() {
            uffd.ifPresent(Fd::close);
            process.close();
            channel.ifPresent(UnixSocket::close);
        }
    }

    /** How the VM is met. */
    interface Meeting {
        /**
         * Waits for it.
         *
         * @param stop becomes readable when nobody wants to wait any more
         * @return empty if that came first
         */
        Optional<Connection> meet(Fd stop);
    }

    PageServer(
            String name,
            PagerConfig config,
            Optional<PageSource> source,
            WorkingSet prefetch,
            TouchRecord touches,
            Consumer<WrennException> onFailure,
            PagerTotals totals,
            Meeting meeting) {
        this.name = name;
        this.config = config;
        this.totals = totals;
        this.source = source;
        this.touches = touches;
        this.onFailure = onFailure;
        this.plan = new PrefetchPlan(prefetch, source.map(PageSource::pageCount).orElse(0L));
        this.priming =
                source.filter(_ -> plan.isUnfinished())
                        .map(s ->
                                Loop.onPlatformThread(
                                        "prime-" + name, () -> plan.prime(s, () -> isStopping)));
        this.serving = Loop.onPlatformThread("pager-" + name, () -> run(meeting));
    }

    private void run(Meeting meeting) {
        Optional<Connection> met;
        try {
            met = meeting.meet(stop.getFirst().fd());
        } catch (RuntimeException | Error e) { // whoever waits for the connection is told
            connected.completeExceptionally(e);
            return;
        }
        if (met.isEmpty()) {
            connected.completeExceptionally(
                    new WrennException(Kind.WRONG_STATE, "the page server of " + name + " closed"));
            return;
        }
        try (var connection = met.get()) {
            connected.complete(connection);
            failure = failureOf(connection);
            isStopping = true;
            var cause = failure;
            if (cause != null) {
                LOG.atError().setCause(cause).addKeyValue("vm", name).log("page server failed");
                onFailure.accept(cause);
            }
        }
    }

    /** Serves to the end; null if that is one of the usual ends. */
    private @Nullable WrennException failureOf(Connection connection) {
        try {
            if (source.isPresent() && connection.uffd().isPresent()) {
                serve(connection, connection.uffd().get(), source.get());
            } else {
                awaitEnd(connection);
            }
            return null;
        } catch (WrennException e) {
            return e;
        } catch (RuntimeException | Error e) {
            // Whatever it was, a VM whose faults nobody answers must not linger. An InternalError
            // is how the JVM reports a layer file that was cut short under its mapping.
            return new WrennException(Kind.BUG, "serving pages of " + name + " failed", e);
        }
    }

    private void serve(Connection connection, Fd fd, PageSource pages) {
        boolean isGone;
        try (var arena = Arena.ofConfined();
                var loop =
                        new FaultLoop(
                                connection.memory(),
                                fd,
                                pages,
                                plan,
                                touches,
                                removed,
                                counters,
                                config)) {
            isGone = loop.run(new Poll(arena, fd, connection.process().fd(), stop.getFirst().fd()));
        }
        // A process that lives on without the memory it announced would wait for it for ever.
        if (isGone && !awaitEnd(connection, Deadline.after(END_LIMIT))) {
            throw new WrennException(Kind.INVALID, "the VMM took its memory away");
        }
    }

    /** Waits for the end of the VM or of this server. */
    private void awaitEnd(Connection connection) {
        try (var arena = Arena.ofConfined()) {
            var poll = new Poll(arena, connection.process().fd(), stop.getFirst().fd());
            while (poll.ready(0) == 0 && poll.ready(1) == 0) {
                poll.await();
            }
        }
    }

    private boolean awaitEnd(Connection connection, Deadline deadline) {
        try (var arena = Arena.ofConfined()) {
            var poll = new Poll(arena, connection.process().fd(), stop.getFirst().fd());
            while (!poll.await(deadline.left())) {
                if (deadline.isPast()) {
                    return false;
                }
            }
            return true;
        }
    }

    /** Waits until the VMM has connected and its memory is known. */
    public void awaitConnected(Deadline deadline) {
        connection(deadline);
    }

    /** Guest memory in the VMM; only after it has connected. */
    public List<MemoryRegion> regions() {
        return connection(Deadline.after(Duration.ZERO)).memory().regions();
    }

    /** The VMM's process; only after it has connected. */
    public long vmmPid() {
        return connection(Deadline.after(Duration.ZERO)).pid();
    }

    /**
     * Ends the VMM, whose threads may wait for pages that nobody will bring; only for whoever is
     * told of the failure, while being told.
     */
    public void endVmm() {
        connection(Deadline.after(Duration.ZERO)).process().kill();
    }

    /** Whether serving ended because of a failure. */
    public boolean hasFailed() {
        return failure != null;
    }

    /** What happened so far. */
    public PagerStats stats() {
        return counters.read();
    }

    /** What a next resume should prefetch. */
    public WorkingSet firstTouches() {
        return touches.workingSet();
    }

    /** Whether the page tables of the VM alone tell which pages it has given back. */
    boolean isSettled() {
        return counters.isSettled();
    }

    /** Ends the recording of first touches. */
    public void stopRecording() {
        touches.stop();
    }

    /**
     * Hands every page that may differ from the page source to the sink, on the calling thread. The
     * VM's processors must be stopped. Changes nothing: the VM may run on, and a later capture
     * finds the same pages again.
     *
     * @throws WrennException the failure, if serving has failed
     */
    public void capture(PageSink sink) {
        capture(served(), false).run(sink);
    }

    /**
     * The same for a sink that goes on from a state saved since the VM was restored: there a page
     * may be stored where the page source is zero, so every zero page is handed over.
     */
    public void captureSince(PageSink sink) {
        capture(served(), true).run(sink);
    }

    private Connection served() {
        var connection = connection(Deadline.after(Duration.ZERO));
        var cause = failure;
        if (cause != null) {
            throw cause;
        }
        return connection;
    }

    private Capture capture(Connection connection, boolean withAllZeroes) {
        return new Capture(
                connection.pid(), connection.memory(), source, removed.copy(), withAllZeroes);
    }

    /** About how many bytes a capture would hand over now; the VM may run on meanwhile. */
    public long changedBytes() {
        var connection = connection(Deadline.after(Duration.ZERO));
        return capture(connection, false).bytes();
    }

    /** The same, and nothing for a VM that is not there yet or not any more. */
    long changedIfConnected() {
        if (!connected.isDone() || closed.get()) {
            return 0;
        }
        try {
            return changedBytes();
        } catch (WrennException _) {
            return 0; // it ended while it was looked at
        }
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
            if (e.getCause() instanceof WrennException cause) {
                throw cause;
            }
            throw new WrennException(Kind.BUG, "meeting the VMM failed", e.getCause());
        }
    }

    /** Stops serving; the VM is not touched. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            isStopping = true;
            stop.getLast().close();
            serving.close();
            priming.ifPresent(Loop::close);
            stop.getFirst().close();
            totals.ended(this);
        }
    }
}
