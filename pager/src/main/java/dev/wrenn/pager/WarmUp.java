package dev.wrenn.pager;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.AnonymousMemory;
import dev.wrenn.linux.ProcessMemory;
import dev.wrenn.linux.UffdRegistration;
import dev.wrenn.linux.UnixSocket;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.snapshot.WorkingSet;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/** Plays a VMM to a page server: memory of this process, touched by system calls only. */
final class WarmUp {
    private static final int PAGE = PageSource.PAGE_BYTES;
    private static final int CLUSTER_PAGES = WorkingSet.CLUSTER_PAGES;
    private static final int CLUSTERS = 1_024;
    private static final int ROUNDS = 12; // about 12,000 faults: past the last compiler's threshold
    private static final Duration LIMIT = Duration.ofSeconds(20);

    private WarmUp() {}

    static void run(Pager pager) {
        var deadline = Deadline.after(LIMIT);
        try (var folder = TemporaryFolder.make();
                var arena = Arena.ofShared()) {
            var source = new EveryFourthStored(arena.allocate(WorkingSet.CLUSTER_BYTES, PAGE));
            for (int round = 0; round < ROUNDS; round++) {
                deadline.check("warming up the pager");
                serveOnce(pager, folder.path().resolve("socket"), source, deadline);
            }
        }
    }

    /** Empty again when it is closed. */
    private record TemporaryFolder(Path path) implements Resource {
        static TemporaryFolder make() {
            try {
                return new TemporaryFolder(Files.createTempDirectory("wrenn-pager"));
            } catch (IOException e) {
                throw new WrennException(Kind.UNAVAILABLE, "cannot make a temporary folder", e);
            }
        }

        @Override
        public void close() {
            try {
                Files.deleteIfExists(path);
            } catch (IOException e) {
                throw new WrennException(Kind.UNAVAILABLE, "cannot remove a temporary folder", e);
            }
        }
    }

    private static void serveOnce(Pager pager, Path socket, PageSource source, Deadline deadline) {
        long bytes = source.pageCount() * PAGE;
        // Closed in reverse: if the server fails, the thread that touches waits until the last
        // descriptor of the userfaultfd is closed, and is joined after that.
        try (var memory = AnonymousMemory.map(bytes);
                var forks = new Forks();
                var server =
                        pager.serve("warm-up", socket, source, WorkingSet.of(0, 1, 2), _ -> {});
                var vmm = UnixSocket.connect(socket);
                var uffd = UffdRegistration.over(memory)) {
            vmm.send(
                    "[{\"base_host_virt_addr\":%d,\"size\":%d,\"offset\":0}]"
                            .formatted(memory.address(), bytes),
                    uffd);
            server.awaitConnected(deadline);
            forks.startOnPlatformThread("warm-up", () -> touch(memory)).take(deadline.left());
            server.capture(new Discarded());
        }
    }

    private static boolean touch(AnonymousMemory memory) {
        try (var arena = Arena.ofConfined();
                var ours = new ProcessMemory(ProcessHandle.current().pid())) {
            var page = arena.allocate(PAGE);
            for (long at = 0; at < memory.bytes(); at += WorkingSet.CLUSTER_BYTES) {
                ours.read(memory.address() + at, page);
            }
            return true;
        }
    }

    /** A memory of which every fourth cluster holds bytes, all the same ones. */
    private record EveryFourthStored(MemorySegment cluster) implements PageSource {
        @Override
        public long pageCount() {
            return (long) CLUSTERS * CLUSTER_PAGES;
        }

        @Override
        public Run run(long page, int maxPages) {
            int within = (int) (page % CLUSTER_PAGES);
            int pages = Math.min(maxPages, CLUSTER_PAGES - within);
            return page / CLUSTER_PAGES % 4 == 0
                    ? new Run.Stored(
                            pages, cluster.asSlice((long) within * PAGE, (long) pages * PAGE))
                    : new Run.Zero(pages);
        }
    }

    /** Takes a capture and forgets it. */
    private static final class Discarded implements PageSink {
        @Override
        public void pages(long firstPage, MemorySegment bytes) {}

        @Override
        public void zero(long firstPage, long count) {}
    }
}
