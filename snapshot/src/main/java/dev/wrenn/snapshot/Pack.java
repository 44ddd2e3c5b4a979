package dev.wrenn.snapshot;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdException;
import com.github.luben.zstd.util.ZstdVersion;
import dev.wrenn.snapshot.store.BlobName;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A blob of frames of 64 KiB, each compressed (zstd), encrypted and authenticated (AES-256-GCM) by
 * itself, so that any of them can be fetched alone (docs/snapshot-format.md).
 *
 * <p>Name, key and bytes follow from team key, content and codec alone: storing the same content
 * again makes the same blob, and no nonce is ever used for two contents.
 *
 * <p>Immutable.
 */
final class Pack {
    static final int FRAME_BYTES = LayerFile.FRAME_BYTES;
    private static final int LEVEL = 3;

    /** Another codec is another name: its bytes differ for the same content. */
    private static final String CODEC =
            "pack 1 zstd %s level %d".formatted(ZstdVersion.VERSION, LEVEL);

    private final String name;
    private final long bytes;
    private final long[] offsets; // one more than there are frames

    /**
     * A pack of known frames; checks what was read from a file or the network.
     *
     * @param name 64 hexadecimal digits
     * @param bytes of content
     * @param lengths stored bytes of each frame, in order without gaps
     */
    Pack(String name, long bytes, List<Integer> lengths) {
        boolean isPlausible =
                name.matches("[0-9a-f]{64}") && bytes >= 0 && lengths.size() == frames(bytes);
        this.offsets = new long[lengths.size() + 1];
        for (int i = 0; i < lengths.size(); i++) {
            int length = lengths.get(i);
            isPlausible &= length > Ciphers.TAG_BYTES && length <= 2 * FRAME_BYTES;
            offsets[i + 1] = offsets[i] + length;
        }
        if (!isPlausible) {
            throw new IllegalArgumentException("not a pack: " + name);
        }
        this.name = name;
        this.bytes = bytes;
    }

    static int frames(long bytes) {
        return Math.toIntExact((bytes + FRAME_BYTES - 1) / FRAME_BYTES);
    }

    String name() {
        return name;
    }

    /** Bytes of content. */
    long bytes() {
        return bytes;
    }

    int frames() {
        return offsets.length - 1;
    }

    List<Integer> lengths() {
        var lengths = new ArrayList<Integer>();
        for (int i = 0; i < frames(); i++) {
            lengths.add((int) (offsets[i + 1] - offsets[i]));
        }
        return lengths;
    }

    BlobName blob(String team) {
        return new BlobName("packs/" + team + "/" + name);
    }

    /** Where a frame begins in the blob; the one behind the last is the blob's end. */
    long offset(int frame) {
        return offsets[frame];
    }

    /** Bytes of content in a frame. */
    int frameBytes(int frame) {
        return (int) Math.min(FRAME_BYTES, bytes - (long) frame * FRAME_BYTES);
    }

    long storedBytes() {
        return offsets[frames()];
    }

    /** Names content by its digest. */
    static String nameOf(TeamKey key, MessageDigest content) {
        var digest = HexFormat.of().formatHex(content.digest());
        return HexFormat.of().formatHex(key.name(Ciphers.bytes(CODEC + " " + digest)));
    }

    static MessageDigest digest() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    /** Compresses and encrypts a frame. */
    static byte[] seal(byte[] blobKey, int frame, byte[] content) {
        return Ciphers.encrypt(
                blobKey, Ciphers.nonce(frame), new byte[0], Zstd.compress(content, LEVEL));
    }

    /**
     * Checks, decrypts and expands a frame.
     *
     * @throws SnapshotCorrupt if a byte of it is not what was stored
     */
    byte[] open(byte[] blobKey, int frame, byte[] stored) {
        try {
            var compressed = Ciphers.decrypt(blobKey, Ciphers.nonce(frame), new byte[0], stored);
            var content = Zstd.decompress(compressed, frameBytes(frame));
            if (content.length != frameBytes(frame)) {
                throw damaged(frame, null);
            }
            return content;
        } catch (GeneralSecurityException | ZstdException e) {
            throw damaged(frame, e);
        }
    }

    private SnapshotCorrupt damaged(int frame, @Nullable Exception cause) {
        return new SnapshotCorrupt(
                "pack " + name.substring(0, 12),
                "is not what was stored, in frame " + frame,
                cause);
    }
}
