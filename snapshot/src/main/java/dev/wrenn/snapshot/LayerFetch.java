package dev.wrenn.snapshot;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Pause;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.snapshot.store.BlobStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Arrays;
import java.util.BitSet;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;

/**
 * Brings frames of an archived layer into its local file. Two who want the same frame share one
 * request. Thread-safe.
 */
final class LayerFetch implements Resource {
    /** A guest waits rather than dies while the archive does not answer. */
    private static final Duration PATIENCE = Duration.ofMinutes(3);

    private static final Duration BETWEEN_ATTEMPTS = Duration.ofSeconds(1);

    private final BlobStore blobs;
    private final PackedLayer layer;
    private final Pack pack;
    private final byte[] blobKey;
    private final LongAdder fetchedBytes;
    private final FileChannel file; // open all the time: the file may be unlinked while it is used
    private final BitSet underWay = new BitSet(); // guarded by itself

    LayerFetch(BlobStore blobs, PackedLayer layer, TeamKey key, Path file, LongAdder fetchedBytes) {
        this.blobs = blobs;
        this.layer = layer;
        this.pack = layer.toPack();
        this.blobKey = key.keyFor(layer.pack());
        this.fetchedBytes = fetchedBytes;
        try {
            this.file = FileChannel.open(file, StandardOpenOption.WRITE);
        } catch (IOException e) {
            throw new StoreFailed("open layer " + layer.layer(), e);
        }
    }

    /**
     * Fetches neighbouring frames; returns when they are in the file, or when somebody else, who
     * fetched one of them, has finished: then the caller looks again.
     *
     * @throws SnapshotCorrupt if what the archive gives is not what was stored
     */
    void fetch(int first, int last) {
        if (!claim(first, last + 1)) {
            return;
        }
        try {
            var stored = patiently(first, last);
            long offset = pack.offset(first);
            for (int frame = first; frame <= last; frame++) {
                int from = (int) (pack.offset(frame) - offset);
                int to = (int) (pack.offset(frame + 1) - offset);
                var content = pack.open(blobKey, frame, Arrays.copyOfRange(stored, from, to));
                write(frame, content);
            }
        } finally {
            synchronized (underWay) {
                underWay.clear(first, last + 1);
                underWay.notifyAll();
            }
        }
    }

    /** False if somebody else had claimed one of them; then it has ended by now. */
    private boolean claim(int from, int to) {
        synchronized (underWay) {
            if (!isUnderWay(from, to)) {
                underWay.set(from, to);
                return true;
            }
            while (isUnderWay(from, to)) {
                try {
                    underWay.wait();
                } catch (InterruptedException _) {
                    Thread.currentThread().interrupt();
                    throw new WrennException(Kind.UNAVAILABLE, "fetching memory was interrupted");
                }
            }
            return false;
        }
    }

    private boolean isUnderWay(int from, int to) {
        int next = underWay.nextSetBit(from);
        return next >= 0 && next < to;
    }

    private byte[] patiently(int first, int last) {
        var stored = new byte[(int) (pack.offset(last + 1) - pack.offset(first))];
        var failure = new AtomicReference<WrennException>();
        boolean isThere =
                Pause.until(
                        () -> {
                            try {
                                blobs.read(
                                        pack.blob(layer.team()),
                                        pack.offset(first),
                                        ByteBuffer.wrap(stored));
                                return true;
                            } catch (WrennException e) {
                                if (e.kind() != Kind.UNAVAILABLE
                                        || Thread.currentThread().isInterrupted()) {
                                    throw e;
                                }
                                failure.set(e);
                                return false;
                            }
                        },
                        BETWEEN_ATTEMPTS,
                        Deadline.after(PATIENCE));
        if (!isThere) {
            throw failure.get();
        }
        fetchedBytes.add(stored.length);
        return stored;
    }

    private void write(int frame, byte[] content) {
        var bytes = ByteBuffer.wrap(content);
        long at = LayerFile.HEADER_BYTES + (long) frame * LayerFile.FRAME_BYTES;
        try {
            while (bytes.hasRemaining()) {
                file.write(bytes, at + bytes.position());
            }
        } catch (IOException e) {
            throw new StoreFailed("write layer " + layer.layer(), e);
        }
    }

    @Override
    public void close() {
        try {
            file.close();
        } catch (IOException e) {
            throw new StoreFailed("close layer " + layer.layer(), e);
        }
    }
}
