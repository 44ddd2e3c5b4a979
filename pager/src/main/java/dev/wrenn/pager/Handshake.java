package dev.wrenn.pager;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.Fd;
import dev.wrenn.linux.UnixSocket;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What a VMM says when it connects: a JSON array of its memory regions and, for a restore, its
 * userfaultfd as a passed descriptor (firecracker
 * docs/snapshotting/handling-page-faults-on-snapshot-resume.md). Firecracker's {@code
 * page_size_kib} holds bytes; it is not read.
 *
 * @param regions guest memory
 * @param uffd absent for a VM that announces itself on a cold boot
 */
record Handshake(List<MemoryRegion> regions, Optional<Fd> uffd) {
    private static final int MESSAGE_LIMIT_BYTES = 64 << 10;
    private static final int PAGE_BYTES = 4096;
    private static final ObjectMapper JSON = new ObjectMapper();

    Handshake {
        regions = List.copyOf(regions);
    }

    static Handshake receive(UnixSocket connection, Deadline deadline) {
        var message = connection.receive(MESSAGE_LIMIT_BYTES, deadline);
        try {
            return new Handshake(
                    parse(message.bytes()), message.descriptors().stream().findFirst());
        } catch (RuntimeException e) {
            message.descriptors().forEach(Fd::close);
            throw e;
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
            var region =
                    new MemoryRegion(
                            entry.path("base_host_virt_addr").asLong(),
                            entry.path("size").asLong(),
                            entry.path("offset").asLong(-1));
            boolean aligned =
                    (region.hostAddress() | region.sizeBytes() | region.offsetBytes()) % PAGE_BYTES
                            == 0;
            if (!aligned || region.sizeBytes() <= 0 || region.offsetBytes() < 0) {
                throw new WrennException(
                        Kind.UNAVAILABLE, "the VMM sent an impossible memory region");
            }
            regions.add(region);
        }
        if (regions.isEmpty()) {
            throw new WrennException(Kind.UNAVAILABLE, "the VMM sent no memory regions");
        }
        return regions;
    }
}
