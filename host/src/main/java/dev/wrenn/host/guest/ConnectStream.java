package dev.wrenn.host.guest;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.eclipse.jetty.client.Request;

/**
 * Messages of a server-streaming Connect call.
 *
 * <p>Each is framed by one byte of flags and a big-endian length; the last frame has flag 2 and
 * holds {@code {}} or {@code {"error":…}} (Connect protocol, "Streaming RPCs"). Reading on demand
 * is what gives back-pressure down to the process in the guest. Read by one thread.
 */
final class ConnectStream implements Resource {
    private static final int FLAG_END = 2;
    private static final int MESSAGE_LIMIT_BYTES = 4 << 20;
    private static final int HEADER_BYTES = 5;

    private final Request request;
    private final DataInputStream frames;
    private volatile boolean closed;
    private volatile Runnable whenClosed = () -> {};

    ConnectStream(Request request, InputStream body) {
        this.request = request;
        this.frames = new DataInputStream(body);
    }

    /** Runs that when the stream is closed; set before any other thread can close it. */
    void onClose(Runnable action) {
        whenClosed = action;
    }

    static byte[] frame(ObjectNode message) {
        var payload = message.toString().getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(HEADER_BYTES + payload.length)
                .put((byte) 0)
                .putInt(payload.length)
                .put(payload)
                .array();
    }

    /**
     * The next message.
     *
     * @return empty after a clean end or after {@link #close()}
     * @throws GuestFailure the error the stream ended with, or that it broke off
     */
    Optional<JsonNode> next() {
        try {
            int flags = frames.readUnsignedByte();
            int length = frames.readInt();
            if (length < 0 || length > MESSAGE_LIMIT_BYTES) {
                throw new GuestFailure(Kind.UNAVAILABLE, "the guest agent sent a broken frame");
            }
            var payload = new byte[length];
            frames.readFully(payload);
            var message = GuestAgent.JSON.readTree(payload);
            if ((flags & FLAG_END) == 0) {
                return Optional.of(message);
            }
            if (message.has("error")) {
                throw GuestAgent.connectError(message.get("error"), 500);
            }
            return Optional.empty();
        } catch (EOFException e) {
            return brokeOff(e);
        } catch (IOException e) {
            return brokeOff(e);
        }
    }

    private Optional<JsonNode> brokeOff(IOException cause) {
        if (closed) {
            return Optional.empty();
        }
        throw new GuestFailure(
                Kind.UNAVAILABLE, "the connection to the guest agent broke off", cause);
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            whenClosed.run();
            var _ = request.abort(new IOException("detached"));
        }
    }
}
