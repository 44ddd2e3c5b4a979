package dev.wrenn.snapshot.store;

import dev.wrenn.base.Resource;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;

/**
 * A store of immutable blobs by name.
 *
 * <p>A blob becomes visible whole or not at all, and once a write has returned every reader sees
 * it. All methods are thread-safe and block; each retries what may pass, a limited number of times.
 *
 * <p>Failures: {@link BlobStoreFailed} with kind UNAVAILABLE if the store does not answer or
 * answers with an error that may pass, EXHAUSTED if it is full, INVALID if it refuses the
 * credentials or has no such bucket.
 */
public interface BlobStore extends Resource {
    /** Stores a file under a name, replacing what is there; large ones in parts. */
    void put(BlobName name, Path content);

    /** Stores bytes under a name, replacing what is there. */
    void put(BlobName name, byte[] content);

    /**
     * Stores bytes under a name that nothing has yet, in one step.
     *
     * @return whether the name holds these bytes now; false if it held others, then nothing
     *     changed. A call whose answer was lost can so be repeated.
     */
    boolean putIfAbsent(BlobName name, byte[] content);

    /** All bytes of a blob, or empty if there is none of that name. */
    Optional<byte[]> get(BlobName name);

    /**
     * Bytes of a blob, from an offset on, as many as the target has room for.
     *
     * @throws BlobAbsent if there is no such blob
     * @throws BlobStoreFailed CORRUPT if it ends before
     */
    void read(BlobName name, long offset, ByteBuffer target);

    /** Size of a blob, or empty if there is none of that name. */
    Optional<Long> size(BlobName name);

    /**
     * Names that begin with this text, in any number.
     *
     * @param prefix may be empty or end within a segment
     */
    Set<BlobName> list(String prefix);

    /** Removes a blob; one that is not there is a success. */
    void delete(BlobName name);

    /** What it is, for people; no credentials. */
    String describe();
}
