package dev.wrenn.control.socket;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.control.http.JsonBody;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.eclipse.jetty.websocket.api.Callback;
import org.eclipse.jetty.websocket.api.Session;
import org.jspecify.annotations.Nullable;

/**
 * A WebSocket seen as a conversation: messages come from a queue and sending waits until the
 * network has taken the text, so that neither side is ever outrun. Sent to by one thread at a time.
 */
final class Conversation {
    private static final int WAITING_MESSAGES = 64;
    private static final Duration SEND_LIMIT = Duration.ofMinutes(10);
    private static final Duration LEAVING_GRACE = Duration.ofSeconds(5);
    private static final int NORMAL = 1000;
    private static final int REASON_LIMIT_CHARS = 100; // RFC 6455 allows 123 bytes

    private final Session session;
    private final BlockingQueue<Incoming> incoming = new ArrayBlockingQueue<>(WAITING_MESSAGES);
    private volatile boolean ended;
    private volatile Runnable whenLeft = () -> {};

    /** What a client sent. */
    sealed interface Incoming {
        /** A JSON object. */
        record Message(JsonNode json) implements Incoming {}

        /** Raw bytes; handed over, not copied. */
        @SuppressWarnings("ArrayRecordComponent")
        record Bytes(byte[] bytes) implements Incoming {}

        /** Nothing: it left. */
        record End() implements Incoming {}
    }

    Conversation(Session session) {
        this.session = session;
    }

    /**
     * A text came; waits while too many are unread, which holds the client up. One that is no JSON
     * object is ignored, as the contract says.
     */
    void received(String text) {
        parse(text).ifPresent(json -> put(new Incoming.Message(json)));
    }

    /** Bytes came; they are copied, for the buffer is used again. */
    void received(ByteBuffer buffer) {
        var bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        put(new Incoming.Bytes(bytes));
    }

    /** The client is gone. */
    void left() {
        ended = true;
        // The reader may be slow; it looks at the flag after each message.
        var _ = incoming.offer(new Incoming.End());
        whenLeft.run();
    }

    /**
     * Runs that a moment after the client has left: what it sent last is still read before, but a
     * reader that is stuck does not hold on to the capsule. May run more than once.
     */
    void soonAfterLeaving(Runnable action) {
        whenLeft =
                () -> {
                    var _ =
                            new CompletableFuture<@Nullable Void>()
                                    .completeOnTimeout(
                                            null, LEAVING_GRACE.toMillis(), TimeUnit.MILLISECONDS)
                                    .thenRun(action);
                };
        if (ended) {
            whenLeft.run();
        }
    }

    boolean hasEnded() {
        return ended;
    }

    /**
     * Waits for the next JSON message; bytes are passed over.
     *
     * @return empty if the client left or the time is over
     */
    Optional<JsonNode> next(Duration limit) {
        while (true) {
            var found = nextOfAny(limit);
            if (found.isEmpty()) {
                return Optional.empty();
            }
            if (found.get() instanceof Incoming.Message(var json)) {
                return Optional.of(json);
            }
        }
    }

    /**
     * Waits for whatever comes next.
     *
     * @return empty if the client left or the time is over
     * @throws WrennException UNAVAILABLE if the waiting was interrupted: the conversation is over
     */
    Optional<Incoming> nextOfAny(Duration limit) {
        try {
            // What was sent before leaving counts; the end itself may have found the queue full.
            long patienceMillis = ended ? 0 : limit.toMillis();
            return Optional.ofNullable(incoming.poll(patienceMillis, TimeUnit.MILLISECONDS))
                    .filter(i -> !(i instanceof Incoming.End));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new WrennException(Kind.UNAVAILABLE, "stopped listening to the client", e);
        }
    }

    /** Sends a message and waits until the network has taken it. */
    void send(ObjectNode message) {
        var sent = new Callback.Completable();
        session.sendText(message.toString(), sent);
        await(sent);
    }

    /** Sends raw bytes and waits until the network has taken them. */
    void send(byte[] bytes) {
        var sent = new Callback.Completable();
        session.sendBinary(ByteBuffer.wrap(bytes), sent);
        await(sent);
    }

    private static void await(Callback.Completable sent) {
        try {
            sent.get(SEND_LIMIT.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw gone(null);
        } catch (ExecutionException | TimeoutException e) {
            throw gone(e);
        }
    }

    /** Ends the conversation in order. */
    void close(String reason) {
        ended = true;
        var text =
                reason.length() > REASON_LIMIT_CHARS
                        ? reason.substring(0, REASON_LIMIT_CHARS)
                        : reason;
        session.close(NORMAL, text, Callback.NOOP);
    }

    private void put(Incoming message) {
        try {
            incoming.put(message);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }

    private static Optional<JsonNode> parse(String text) {
        try {
            return Optional.of(JsonBody.JSON.readTree(text)).filter(JsonNode::isObject);
        } catch (JsonProcessingException _) {
            return Optional.empty();
        }
    }

    private static WrennException gone(@Nullable Exception cause) {
        return new WrennException(Kind.UNAVAILABLE, "the client is gone", cause);
    }
}
