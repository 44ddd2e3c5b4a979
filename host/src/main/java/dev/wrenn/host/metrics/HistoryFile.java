package dev.wrenn.host.metrics;

import dev.wrenn.contract.host.MetricPoint;
import dev.wrenn.contract.host.MetricTier;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.Optional;
import java.util.zip.CRC32C;

/**
 * Layout of the file with what one capsule used: a ring of slots for each tier, see {@code
 * docs/metrics-format.md}.
 *
 * <p>Each slot has its own checksum, so that the file needs no other order than the times in it: it
 * may be read while it is written, and what a lost machine left half written is an empty slot.
 */
final class HistoryFile {
    static final int HEADER_BYTES = 64;
    static final int SLOT_BYTES = 32;

    private static final byte[] MAGIC = "WRNMETR".getBytes(StandardCharsets.US_ASCII);
    private static final byte VERSION = 1;
    private static final int CHECKED_BYTES = SLOT_BYTES - Integer.BYTES;

    private HistoryFile() {}

    /** Its length; all of it is there from the start, so that a full disk cannot stop it later. */
    static int sizeBytes() {
        int slots = 0;
        for (var tier : MetricTier.values()) {
            slots += tier.capacity();
        }
        return HEADER_BYTES + slots * SLOT_BYTES;
    }

    /** Where that slot of a tier begins. */
    static int offsetOf(MetricTier tier, int slot) {
        int before = 0;
        for (var other : MetricTier.values()) {
            if (other == tier) {
                break;
            }
            before += other.capacity();
        }
        return HEADER_BYTES + (before + slot) * SLOT_BYTES;
    }

    /** One that has no points. */
    static byte[] empty() {
        var bytes = new byte[sizeBytes()];
        System.arraycopy(MAGIC, 0, bytes, 0, MAGIC.length);
        bytes[MAGIC.length] = VERSION;
        return bytes;
    }

    /** Whether these bytes are such a file, of this version. */
    static boolean isOne(byte[] bytes) {
        return bytes.length == sizeBytes()
                && Arrays.equals(bytes, 0, MAGIC.length, MAGIC, 0, MAGIC.length)
                && bytes[MAGIC.length] == VERSION;
    }

    /** A slot with that point. */
    static byte[] encode(MetricPoint point) {
        var slot =
                ByteBuffer.allocate(SLOT_BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(point.at().toEpochMilli())
                        .putLong(point.memoryBytes())
                        .putLong(point.diskBytes())
                        .putFloat((float) point.cpuPercent());
        return slot.putInt(checksum(slot.array(), 0)).array();
    }

    /** The point in that slot; empty if none was ever written there, or only half of one. */
    static Optional<MetricPoint> decode(byte[] file, int offset) {
        var slot = ByteBuffer.wrap(file, offset, SLOT_BYTES).slice().order(ByteOrder.LITTLE_ENDIAN);
        long millis = slot.getLong(0);
        if (millis <= 0 || slot.getInt(CHECKED_BYTES) != checksum(file, offset)) {
            return Optional.empty();
        }
        return Optional.of(
                new MetricPoint(
                        Instant.ofEpochMilli(millis),
                        slot.getFloat(3 * Long.BYTES),
                        slot.getLong(Long.BYTES),
                        slot.getLong(2 * Long.BYTES)));
    }

    private static int checksum(byte[] bytes, int offset) {
        var crc = new CRC32C();
        crc.update(bytes, offset, CHECKED_BYTES);
        return (int) crc.getValue();
    }
}
