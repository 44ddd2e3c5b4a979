package dev.wrenn.pager;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.DeadlinePassed;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.Fd;
import dev.wrenn.linux.Poll;
import dev.wrenn.linux.UnixSocket;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What a VMM says when it connects: a JSON array of its memory regions and, for a restore, its
 * userfaultfd as a passed descriptor (firecracker
 * docs/snapshotting/handling-page-faults-on-snapshot-resume.md). Firecracker's {@code
 * page_size_kib} holds bytes; pages are always 4 KiB here, so it is not read.
 *
 * @param regions guest memory, not checked yet
 * @param uffd absent for a VM that announces itself on a cold boot; owned by the receiver
 */
record Handshake(List<MemoryRegion> regions, Optional<Fd> uffd) {
    private static final int MESSAGE_LIMIT_BYTES = 64 << 10;
    private static final ObjectMapper JSON = new ObjectMapper();

    Handshake {
        regions = List.copyOf(regions);
    }

    /**
     * Reads until the array is complete; descriptors come with its first bytes.
     *
     * @param stop becomes readable when nobody wants to wait any more
     * @return empty if that came first
     */
    static Optional<Handshake> receive(UnixSocket connection, Fd stop, Deadline deadline) {
        var text = new StringBuilder();
        var descriptors = new ArrayList<Fd>();
        try {
            while (!text.toString().stripTrailing().endsWith("]")) {
                if (!awaitInput(connection.fd(), stop, deadline)) {
                    descriptors.forEach(Fd::close);
                    return Optional.empty();
                }
                var message = connection.receive(MESSAGE_LIMIT_BYTES, deadline);
                descriptors.addAll(message.descriptors());
                text.append(message.bytes());
                if (message.bytes().isEmpty() || text.length() > MESSAGE_LIMIT_BYTES) {
                    throw new WrennException(
                            Kind.UNAVAILABLE, "the VMM sent no whole list of memory regions");
                }
            }
            var regions = parse(text.toString());
            if (descriptors.size() > 1) {
                throw new WrennException(Kind.UNAVAILABLE, "the VMM sent several descriptors");
            }
            for (var descriptor : descriptors) {
                checkUserfaultfd(descriptor);
            }
            return Optional.of(new Handshake(regions, descriptors.stream().findFirst()));
        } catch (RuntimeException e) {
            descriptors.forEach(Fd::close);
            throw e;
        }
    }

    /**
     * Waits for the VMM.
     *
     * @return false if the stop descriptor became readable first
     * @throws DeadlinePassed if neither did in time
     */
    static boolean awaitInput(Fd fd, Fd stop, Deadline deadline) {
        try (var arena = Arena.ofConfined()) {
            var poll = new Poll(arena, fd, stop);
            while (!poll.await(deadline.left())) {
                deadline.check("waiting for the VMM to connect to the pager");
            }
            return poll.ready(1) == 0;
        }
    }

    static List<MemoryRegion> parse(String text) {
        JsonNode array;
        try {
            array = JSON.readTree(text);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "the VMM sent no memory regions", e);
        }
        var regions = new ArrayList<MemoryRegion>();
        for (var entry : array) {
            regions.add(
                    new MemoryRegion(
                            number(entry, "base_host_virt_addr"),
                            number(entry, "size"),
                            number(entry, "offset")));
        }
        return regions;
    }

    private static long number(JsonNode entry, String field) {
        var value = entry.path(field);
        if (!value.isIntegralNumber() || !value.canConvertToLong()) {
            throw new WrennException(
                    Kind.UNAVAILABLE, "the VMM sent a memory region without " + field);
        }
        return value.longValue();
    }

    /** Reading another sort of descriptor could block for ever. */
    private static void checkUserfaultfd(Fd descriptor) {
        if (!isUserfaultfd(Path.of("/proc/self/fd/" + descriptor.number()))) {
            throw new WrennException(
                    Kind.UNAVAILABLE, "the VMM sent a descriptor that is no userfaultfd");
        }
    }

    /** Whether that entry of a descriptor folder is one (proc_pid_fd(5)). */
    static boolean isUserfaultfd(Path entry) {
        try {
            return Files.readSymbolicLink(entry).toString().equals("anon_inode:[userfaultfd]");
        } catch (IOException _) {
            return false; // closed while we looked
        }
    }
}
