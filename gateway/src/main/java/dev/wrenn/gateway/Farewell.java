package dev.wrenn.gateway;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * The last word to the client of a WebSocket whose capsule is gone: a Close frame that says why,
 * where the guest would have sent one. Bytes of the guest and this word take turns; it comes after
 * the write that is under way, and not at all if that leaves a frame half done.
 */
final class Farewell {
    /** The endpoint is going away (RFC 6455, 7.4.1). */
    private static final int GOING_AWAY = 1001;

    private static final byte FINAL_CLOSE = (byte) 0x88;
    private static final int REASON_LIMIT_BYTES = 123;

    @GuardedBy("this")
    private final WebSocketFrames frames = new WebSocketFrames();

    @GuardedBy("this")
    private boolean isGuestWriting;

    @GuardedBy("this")
    private Optional<String> reason = Optional.empty();

    /**
     * The guest's bytes are about to be written.
     *
     * @return false if it is too late for them
     */
    synchronized boolean begins(ByteBuffer bytes) {
        if (reason.isPresent()) {
            return false;
        }
        frames.pass(bytes);
        isGuestWriting = true;
        return true;
    }

    /** They are written; tells whether now is the time to {@link #say} something. */
    synchronized boolean isDueAfterWrite() {
        isGuestWriting = false;
        return reason.isPresent();
    }

    /**
     * The run has ended. From now on no bytes of the guest begin.
     *
     * @return whether nothing is being written, so that it is time to {@link #say} something
     */
    synchronized boolean leave(String why) {
        reason = Optional.of(why);
        return !isGuestWriting;
    }

    /** The frame to write; none if one of the guest's is half done or was a Close. */
    synchronized Optional<ByteBuffer> say() {
        return reason.filter(_ -> frames.isOpenAtBoundary()).map(Farewell::frame);
    }

    private static ByteBuffer frame(String why) {
        // Cut between characters: half of one would be malformed.
        var text = why;
        while (text.getBytes(StandardCharsets.UTF_8).length > REASON_LIMIT_BYTES) {
            text = text.substring(0, text.offsetByCodePoints(text.length(), -1));
        }
        var bytes = text.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(2 + Short.BYTES + bytes.length)
                .put(FINAL_CLOSE)
                .put((byte) (Short.BYTES + bytes.length))
                .putShort((short) GOING_AWAY)
                .put(bytes)
                .flip();
    }
}
