package dev.wrenn.snapshot;

import com.fasterxml.jackson.annotation.JsonIgnore;
import dev.wrenn.base.ByteSize;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What makes a snapshot exist; written last.
 *
 * @param version of this layout
 * @param snapshot its id
 * @param parent what its capsule was resumed from, empty for a cold boot
 * @param createdAt RFC 3339
 * @param vmm driver that wrote the VM state
 * @param vmmVersion its version; VM state is only for the same one
 * @param vcpus virtual processors
 * @param memoryBytes guest memory
 * @param kernel what the guest runs
 * @param template template it descends from
 * @param layers layers its page map refers to, by index
 * @param vmStateBytes size of the VM state
 * @param vmStateCrc CRC32C of the VM state
 * @param map file name of the page map; a compaction writes another one
 * @param mapBytes size of the page map
 * @param disk root disk as it was sealed
 * @param writtenBytes memory that this snapshot added
 * @param attributes facts for whoever made it
 */
public record Manifest(
        int version,
        String snapshot,
        String parent,
        String createdAt,
        String vmm,
        String vmmVersion,
        int vcpus,
        long memoryBytes,
        String kernel,
        String template,
        List<LayerEntry> layers,
        long vmStateBytes,
        int vmStateCrc,
        String map,
        long mapBytes,
        DiskEntry disk,
        long writtenBytes,
        Map<String, String> attributes) {
    static final int VERSION = 2;

    /**
     * A layer the page map refers to.
     *
     * @param layer its file name without suffix
     * @param pages pages in it
     * @param tableCrc CRC32C of its checksum table
     * @param modifiedNanos identity when sealed
     * @param changedNanos identity when sealed
     */
    public record LayerEntry(
            String layer, int pages, int tableCrc, long modifiedNanos, long changedNanos) {
        FileIdentity identity() {
            return new FileIdentity(LayerFile.fileBytes(pages), modifiedNanos, changedNanos);
        }
    }

    /**
     * The root disk.
     *
     * @param bytes size
     * @param modifiedNanos modification time when sealed
     */
    public record DiskEntry(long bytes, long modifiedNanos) {}

    /** Copies the collections; rejects a map name that could be a path. */
    public Manifest {
        if (!map.matches("[a-z0-9-]+\\.map")) {
            throw new IllegalArgumentException("not the name of a page map: " + map);
        }
        layers = List.copyOf(layers);
        attributes = Map.copyOf(attributes);
    }

    /** Its id. */
    @JsonIgnore
    public SnapshotId id() {
        return new SnapshotId(snapshot);
    }

    /** Guest memory. */
    @JsonIgnore
    public ByteSize memory() {
        return new ByteSize(memoryBytes);
    }

    @JsonIgnore
    int pageCount() {
        return Math.toIntExact(memoryBytes / PageSource.PAGE_BYTES);
    }

    /** The same snapshot with its memory in other layers. */
    Manifest withMemory(List<LayerEntry> newLayers, String newMap, long newMapBytes) {
        return new Manifest(
                version,
                snapshot,
                parent,
                createdAt,
                vmm,
                vmmVersion,
                vcpus,
                memoryBytes,
                kernel,
                template,
                newLayers,
                vmStateBytes,
                vmStateCrc,
                newMap,
                newMapBytes,
                disk,
                writtenBytes,
                attributes);
    }

    /** Another snapshot of the same content, with its own copy of the disk. */
    Manifest copiedTo(SnapshotId id, FileIdentity newDisk) {
        return new Manifest(
                version,
                id.text(),
                parent,
                createdAt,
                vmm,
                vmmVersion,
                vcpus,
                memoryBytes,
                kernel,
                template,
                layers,
                vmStateBytes,
                vmStateCrc,
                map,
                mapBytes,
                new DiskEntry(newDisk.bytes(), newDisk.modifiedNanos()),
                writtenBytes,
                attributes);
    }

    static String instant(Instant instant) {
        return instant.toString();
    }

    static String orEmpty(Optional<SnapshotId> id) {
        return id.map(SnapshotId::text).orElse("");
    }
}
