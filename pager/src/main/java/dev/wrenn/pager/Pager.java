package dev.wrenn.pager;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.Fd;
import dev.wrenn.linux.Pagemap;
import dev.wrenn.linux.Pidfd;
import dev.wrenn.linux.Poll;
import dev.wrenn.linux.ProcessIdentity;
import dev.wrenn.linux.Uffd;
import dev.wrenn.linux.UnixSocket;
import dev.wrenn.pager.PageServer.Connection;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.snapshot.WorkingSet;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/** Makes page servers. Thread-safe. */
public final class Pager {
    private final PagerConfig config;
    private final PagerTotals totals = new PagerTotals();

    /** With these settings. */
    public Pager(PagerConfig config) {
        this.config = config;
    }

    /**
     * Serves a VM that is about to be restored.
     *
     * @param name of the VM, for threads and logs
     * @param socket where the VMM will connect; listening when this returns, gone once it has
     * @param pages what its memory holds; must outlive the server
     * @param prefetch what is installed unasked
     * @param onFailure told once if the pages cannot be served any more, on the server's thread and
     *     without blocking it; the VM must be ended then. A VMM that does not connect is told by
     *     {@link PageServer#awaitConnected} instead
     */
    public PageServer serve(
            String name,
            Path socket,
            PageSource pages,
            WorkingSet prefetch,
            Consumer<WrennException> onFailure) {
        return listening(name, socket, Optional.of(pages), prefetch, onFailure);
    }

    /** What the servers made here have done. */
    public ServedPages served() {
        return totals.read();
    }

    /** About how many bytes the VMs served here have changed since they were started. */
    public long changedBytes() {
        return totals.serving().stream().mapToLong(PageServer::changedIfConnected).sum();
    }

    /** Only learns where a VM that boots has its memory. */
    public PageServer announced(String name, Path socket) {
        return listening(name, socket, Optional.empty(), WorkingSet.EMPTY, _ -> {});
    }

    /** For a VM whose memory is nobody's business yet: it boots and does not hand it over. */
    public PageServer idle(String name) {
        return totals.begun(
                new PageServer(
                        name,
                        config,
                        Optional.empty(),
                        WorkingSet.EMPTY,
                        new TouchRecord(WorkingSet.EMPTY, config.recordingLimit().bytes()),
                        _ -> {},
                        totals,
                        stop -> {
                            try (var arena = Arena.ofConfined()) {
                                var poll = new Poll(arena, stop);
                                while (poll.ready(0) == 0) {
                                    poll.await();
                                }
                            }
                            return Optional.empty();
                        }));
    }

    private PageServer listening(
            String name,
            Path socket,
            Optional<PageSource> source,
            WorkingSet prefetch,
            Consumer<WrennException> onFailure) {
        var known = PrefetchPlan.fitting(prefetch, source.map(PageSource::pageCount).orElse(0L));
        var listener = UnixSocket.listen(socket);
        try {
            return totals.begun(
                    new PageServer(
                            name,
                            config,
                            source,
                            known,
                            new TouchRecord(known, config.recordingLimit().bytes()),
                            onFailure,
                            totals,
                            stop -> accept(listener, socket, source, stop)));
        } catch (RuntimeException e) {
            listener.close();
            throw e;
        }
    }

    private Optional<Connection> accept(
            UnixSocket listener, Path socket, Optional<PageSource> source, Fd stop) {
        var deadline = Deadline.after(config.connectLimit());
        UnixSocket channel;
        try (listener) {
            if (!Handshake.awaitInput(listener.fd(), stop, deadline)) {
                return Optional.empty();
            }
            channel = listener.accept(deadline);
        } finally {
            delete(socket);
        }
        try {
            var connection =
                    Handshake.receive(channel, stop, deadline)
                            .map(handshake -> connection(channel, handshake, source));
            if (connection.isEmpty()) {
                channel.close();
            }
            return connection;
        } catch (RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    private static Connection connection(
            UnixSocket channel, Handshake handshake, Optional<PageSource> source) {
        try {
            if (handshake.uffd().isPresent() != source.isPresent()) {
                throw new WrennException(
                        Kind.UNAVAILABLE,
                        source.isPresent()
                                ? "the VMM sent no userfaultfd"
                                : "the VMM sent a userfaultfd that nobody asked for");
            }
            var memory =
                    source.isPresent()
                            ? GuestMemory.of(handshake.regions(), bytesOf(source.get()))
                            : GuestMemory.of(handshake.regions());
            long pid = channel.peerPid();
            return new Connection(
                    memory, handshake.uffd(), Pidfd.open(pid), pid, Optional.of(channel));
        } catch (RuntimeException e) {
            handshake.uffd().ifPresent(Fd::close);
            throw e;
        }
    }

    private static long bytesOf(PageSource source) {
        return source.pageCount() * PageSource.PAGE_BYTES;
    }

    private static void delete(Path socket) {
        try {
            Files.deleteIfExists(socket);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot remove the pager's socket", e);
        }
    }

    /**
     * Takes over a VM whose page server died with an earlier process: its threads wait, they do not
     * fail, because the VMM itself holds its userfaultfd open.
     *
     * <p>Its working set is what was resident when it was taken over, in no particular order, and
     * what faults from then on. Pages that the VM gave back are zero in its page tables; one that
     * it gave back in the last moments before that death may be served again as it was.
     *
     * @param vmm the VMM
     * @param regions as that server knew them
     * @param pages the same pages as before
     * @throws WrennException absent if the VMM is gone
     */
    public PageServer adopt(
            String name,
            ProcessIdentity vmm,
            List<MemoryRegion> regions,
            PageSource pages,
            Consumer<WrennException> onFailure) {
        var memory = GuestMemory.of(regions, bytesOf(pages));
        var process = Pidfd.open(vmm.pid());
        try {
            if (!vmm.isAlive()) {
                throw new WrennException(Kind.ABSENT, "the VMM of " + name + " is gone");
            }
            var resident = residentClusters(vmm.pid(), memory);
            var uffd = process.duplicate(userfaultfdOf(vmm.pid()));
            try {
                var connection =
                        new Connection(
                                memory, Optional.of(uffd), process, vmm.pid(), Optional.empty());
                return totals.begun(
                        new PageServer(
                                name,
                                config,
                                Optional.of(pages),
                                WorkingSet.EMPTY,
                                new TouchRecord(resident, config.recordingLimit().bytes()),
                                onFailure,
                                totals,
                                _ -> {
                                    wakeAll(uffd, memory);
                                    return Optional.of(connection);
                                }));
            } catch (RuntimeException e) {
                uffd.close();
                throw e;
            }
        } catch (RuntimeException e) {
            process.close();
            throw e;
        }
    }

    /**
     * A fault that a dead server had read is not shown again: its thread only looks anew when it is
     * woken (Linux fs/userfaultfd.c, fault_wqh).
     */
    private static void wakeAll(Fd fd, GuestMemory memory) {
        try (var uffd = new Uffd(fd)) {
            memory.regions().forEach(r -> uffd.wake(r.hostAddress(), r.sizeBytes()));
        }
    }

    private static WorkingSet residentClusters(long pid, GuestMemory memory) {
        var clusters = new BitSet();
        for (var region : memory.regions()) {
            long start = region.hostAddress();
            Pagemap.mapped(
                    pid,
                    start,
                    start + region.sizeBytes(),
                    page -> clusters.set((int) (region.offsetOf(page) / WorkingSet.CLUSTER_BYTES)));
        }
        return WorkingSet.of(clusters.stream().toArray());
    }

    /** The VMM's own number for it (proc_pid_fd(5)). */
    private static int userfaultfdOf(long pid) {
        List<Path> found;
        try (var descriptors = Files.list(Path.of("/proc/" + pid + "/fd"))) {
            found = descriptors.filter(Handshake::isUserfaultfd).toList();
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot look into the VMM", e);
        }
        if (found.size() != 1) {
            throw new WrennException(
                    Kind.UNAVAILABLE,
                    "the VMM holds %d userfaultfds instead of one".formatted(found.size()));
        }
        return Integer.parseInt(String.valueOf(found.getFirst().getFileName()));
    }

    /**
     * Serves some memory of this process, so that the first VM meets compiled code: without it its
     * faults take about twice as long. Takes a fraction of a second; meant for the start of the
     * host agent.
     *
     * @throws WrennException if this machine cannot serve page faults
     */
    public void warmUp() {
        WarmUp.run(this);
    }
}
