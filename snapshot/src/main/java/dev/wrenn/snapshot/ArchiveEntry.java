package dev.wrenn.snapshot;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.Base64;
import java.util.List;

/**
 * Everything of a snapshot in an archive but its packs: the blob that makes it exist there, written
 * last (docs/snapshot-format.md).
 *
 * @param version of this layout
 * @param manifest the manifest file
 * @param map the page map, base 64
 * @param vmState device and processor state, base 64
 * @param workingSet what a resume touches, base 64; may be empty
 * @param layers how the layers are stored, in the manifest's order
 * @param disk how the disk is stored
 */
record ArchiveEntry(
        int version,
        String manifest,
        String map,
        String vmState,
        String workingSet,
        List<PackedLayer> layers,
        PackedDisk disk) {
    static final int VERSION = 1;
    private static final long MAGIC = 0x5752_534e_4150_3031L; // "WRSNAP01", big endian
    private static final int MOST_BYTES = 256 << 20;
    private static final int LEVEL = 3;

    /** Copies the list. */
    ArchiveEntry {
        layers = List.copyOf(layers);
    }

    static String text(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }

    static byte[] bytes(String text) {
        return Base64.getDecoder().decode(text);
    }

    /** Compressed, encrypted and bound to its id. */
    byte[] encode(SnapshotId id, TeamKey key) {
        var nonce = Ciphers.random(Ciphers.NONCE_BYTES);
        var team = key.team().getBytes(StandardCharsets.UTF_8);
        var encrypted =
                Ciphers.encrypt(
                        key.keyFor(id.text()),
                        nonce,
                        Ciphers.bytes(id.text() + " " + key.team()),
                        Zstd.compress(CheckedJson.encode(this), LEVEL));
        return ByteBuffer.allocate(Long.BYTES + 1 + team.length + nonce.length + encrypted.length)
                .putLong(MAGIC)
                .put((byte) team.length)
                .put(team)
                .put(nonce)
                .put(encrypted)
                .array();
    }

    /**
     * Reads an entry.
     *
     * @throws SnapshotCorrupt if a byte of it is not what was stored, or it is of another snapshot
     */
    static ArchiveEntry decode(SnapshotId id, byte[] stored, KeyRing keys) {
        var file = "archived " + id;
        try {
            var buffer = ByteBuffer.wrap(stored);
            if (buffer.getLong() != MAGIC) {
                throw new SnapshotCorrupt(file, "is of another kind");
            }
            var team = new byte[Byte.toUnsignedInt(buffer.get())];
            buffer.get(team);
            var nonce = new byte[Ciphers.NONCE_BYTES];
            buffer.get(nonce);
            var encrypted = new byte[buffer.remaining()];
            buffer.get(encrypted);
            var key = keys.of(Team.check(new String(team, StandardCharsets.UTF_8)));
            var compressed =
                    Ciphers.decrypt(
                            key.keyFor(id.text()),
                            nonce,
                            Ciphers.bytes(id.text() + " " + key.team()),
                            encrypted);
            long size = Zstd.getFrameContentSize(compressed);
            if (size < 0 || size > MOST_BYTES) {
                throw new SnapshotCorrupt(file, "has an impossible size");
            }
            var json = new String(Zstd.decompress(compressed, (int) size), StandardCharsets.UTF_8);
            var entry = CheckedJson.as(file, CheckedJson.decode(file, json), ArchiveEntry.class);
            if (entry.version() != VERSION) {
                throw new SnapshotCorrupt(
                        file,
                        "has version %d, this program reads %d"
                                .formatted(entry.version(), VERSION));
            }
            return entry;
        } catch (GeneralSecurityException
                | ZstdException
                | java.nio.BufferUnderflowException
                | IllegalArgumentException e) {
            throw new SnapshotCorrupt(file, "is not what was stored", e);
        }
    }
}
