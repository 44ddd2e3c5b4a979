package dev.wrenn.snapshot;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Optional;
import java.util.zip.CRC32C;

/**
 * The memory a resume touches, as 64 KiB clusters in the order of their first touch. Only a hint:
 * losing it costs time, never correctness. Layout of its file: docs/snapshot-format.md.
 */
public final class WorkingSet {
    /** Size of a cluster. */
    public static final int CLUSTER_BYTES = 64 << 10;

    /** Pages of a cluster. */
    public static final int CLUSTER_PAGES = CLUSTER_BYTES / PageSource.PAGE_BYTES;

    /** Nothing known. */
    public static final WorkingSet EMPTY = new WorkingSet(new int[0]);

    private static final long MAGIC = 0x3130_5445_534b_5257L; // "WRKSET01", little endian
    private static final int HEADER_BYTES = 12;
    private static final int CRC_BYTES = 4;

    private final int[] clusters;

    private WorkingSet(int[] clusters) {
        this.clusters = clusters;
    }

    /** Of these cluster indexes. */
    public static WorkingSet of(int... clusters) {
        return new WorkingSet(clusters.clone());
    }

    /** How many clusters. */
    public int size() {
        return clusters.length;
    }

    /** The cluster touched as number i. */
    public int cluster(int i) {
        return clusters[i];
    }

    /** A copy of all indexes. */
    public int[] toArray() {
        return clusters.clone();
    }

    byte[] encode() {
        var buffer =
                ByteBuffer.allocate(HEADER_BYTES + 4 * clusters.length + CRC_BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(MAGIC)
                        .putInt(clusters.length);
        for (int cluster : clusters) {
            buffer.putInt(cluster);
        }
        var crc = new CRC32C();
        crc.update(buffer.array(), 0, buffer.position());
        return buffer.putInt((int) crc.getValue()).array();
    }

    /** Empty if the bytes are no working set for that many clusters. */
    static Optional<WorkingSet> decode(byte[] bytes, int clusterCount) {
        if (bytes.length < HEADER_BYTES + CRC_BYTES) {
            return Optional.empty();
        }
        var buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        long magic = buffer.getLong();
        int count = buffer.getInt();
        if (magic != MAGIC || count != (bytes.length - HEADER_BYTES - CRC_BYTES) / 4) {
            return Optional.empty();
        }
        var crc = new CRC32C();
        crc.update(bytes, 0, bytes.length - CRC_BYTES);
        if ((int) crc.getValue() != buffer.getInt(bytes.length - CRC_BYTES)) {
            return Optional.empty();
        }
        var clusters = new int[count];
        for (int i = 0; i < count; i++) {
            clusters[i] = buffer.getInt();
            if (clusters[i] < 0 || clusters[i] >= clusterCount) {
                return Optional.empty();
            }
        }
        return Optional.of(new WorkingSet(clusters));
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof WorkingSet that && Arrays.equals(clusters, that.clusters);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(clusters);
    }

    @Override
    public String toString() {
        return clusters.length + " clusters";
    }
}
