package dev.wrenn.pager;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.Pidfd;
import dev.wrenn.linux.ProcessIdentity;
import dev.wrenn.linux.UnixSocket;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.snapshot.WorkingSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/** Makes page servers. */
public final class Pager {
    private final PagerConfig config;

    /** With these settings. */
    public Pager(PagerConfig config) {
        this.config = config;
    }

    /**
     * Serves a VM that is about to be restored.
     *
     * @param name of the VM, for threads and logs
     * @param socket where the VMM will connect; listening when this returns
     * @param pages what its memory holds; must outlive the server
     * @param prefetch what is installed unasked
     * @param onFailure told once if the pages cannot be served; the VM must be ended then
     */
    public PageServer serve(
            String name,
            Path socket,
            PageSource pages,
            WorkingSet prefetch,
            Consumer<WrennException> onFailure) {
        return PageServer.listening(
                name, config, UnixSocket.listen(socket), Optional.of(pages), prefetch, onFailure);
    }

    /** Only learns where a VM that boots has its memory. */
    public PageServer announced(String name, Path socket) {
        return PageServer.listening(
                name,
                config,
                UnixSocket.listen(socket),
                Optional.empty(),
                WorkingSet.EMPTY,
                _ -> {});
    }

    /**
     * Takes over a VM whose page server died with an earlier process: its threads wait, they do not
     * fail, because the VMM itself holds its userfaultfd open.
     *
     * @param vmm the VMM
     * @param regions as that server knew them
     * @param pages the same pages as before
     */
    public PageServer adopt(
            String name,
            ProcessIdentity vmm,
            List<MemoryRegion> regions,
            PageSource pages,
            Consumer<WrennException> onFailure) {
        var process = Pidfd.open(vmm.pid());
        try {
            if (!vmm.isAlive()) {
                throw new WrennException(Kind.ABSENT, "the VMM of " + name + " is gone");
            }
            var uffd = process.duplicate(userfaultfdOf(vmm.pid()));
            return PageServer.adopting(
                    name, config, process, vmm.pid(), uffd, regions, pages, onFailure);
        } catch (RuntimeException e) {
            process.close();
            throw e;
        }
    }

    /** The VMM's own number for it (proc_pid_fd(5)). */
    private static int userfaultfdOf(long pid) {
        try (var descriptors = Files.list(Path.of("/proc/" + pid + "/fd"))) {
            return descriptors
                    .filter(Pager::isUserfaultfd)
                    .map(p -> Integer.parseInt(String.valueOf(p.getFileName())))
                    .findFirst()
                    .orElseThrow(() ->
                            new WrennException(Kind.UNAVAILABLE, "the VMM holds no userfaultfd"));
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot look into the VMM", e);
        }
    }

    private static boolean isUserfaultfd(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString().contains("[userfaultfd]");
        } catch (IOException _) {
            return false; // closed while we looked
        }
    }
}
