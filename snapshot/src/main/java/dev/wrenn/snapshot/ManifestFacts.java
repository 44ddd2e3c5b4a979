package dev.wrenn.snapshot;

import dev.wrenn.base.ByteSize;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/**
 * What the caller adds to a manifest.
 *
 * @param parent what the capsule was resumed from
 * @param createdAt now
 * @param vmm driver
 * @param vmmVersion its version
 * @param vcpus virtual processors
 * @param memory guest memory
 * @param kernel kernel version
 * @param template template it descends from
 * @param attributes anything else
 */
public record ManifestFacts(
        Optional<SnapshotId> parent,
        Instant createdAt,
        String vmm,
        String vmmVersion,
        int vcpus,
        ByteSize memory,
        String kernel,
        String template,
        Map<String, String> attributes) {
    /** Copies the map. */
    public ManifestFacts {
        attributes = Map.copyOf(attributes);
    }
}
