package dev.wrenn.contract.host;

import java.util.List;

/**
 * A template made from a {@link DiskSource}.
 *
 * @param template as the host holds it
 * @param defaults what processes of its capsules get
 * @param start program and arguments to run in each of its capsules; empty for nothing
 * @param origin names the very content: an image with its digest, or the revision of a stock
 *     template
 */
public record ImportedDisk(
        HostTemplate template, ProcessDefaults defaults, List<String> start, String origin) {
    /** Copies the list. */
    public ImportedDisk {
        start = List.copyOf(start);
    }
}
