package dev.wrenn.control.socket;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.control.http.JsonBody;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.eclipse.jetty.websocket.api.Callback;
import org.eclipse.jetty.websocket.api.Session;

/**
 * A WebSocket seen as a conversation: messages come from a queue and sending waits until the
 * network has taken the text, so that neither side is ever outrun. Sent to by one thread at a time.
 */
final class Conversation {
    private static final int WAITING_MESSAGES = 64;
    private static final Duration SEND_LIMIT = Duration.ofMinutes(10);
    private static final int NORMAL = 1000;
    private static final int REASON_LIMIT_CHARS = 100; // RFC 6455 allows 123 bytes

    private final Session session;
    private final BlockingQueue<Optional<String>> incoming =
            new ArrayBlockingQueue<>(WAITING_MESSAGES);
    private volatile boolean ended;

    Conversation(Session session) {
        this.session = session;
    }

    /** A message came; waits while too many are unread, which holds the client up. */
    void received(String text) {
        put(Optional.of(text));
    }

    /** The client is gone. */
    void left() {
        ended = true;
        // The reader may be slow; it looks at the flag after each message.
        var _ = incoming.offer(Optional.empty());
    }

    boolean hasEnded() {
        return ended;
    }

    /**
     * Waits for the next message that is a JSON object; others are ignored as the contract says.
     *
     * @return empty if the client left or the time is over
     */
    Optional<JsonNode> next(Duration limit) {
        try {
            while (!ended) {
                var message = incoming.poll(limit.toMillis(), TimeUnit.MILLISECONDS);
                if (message == null || message.isEmpty()) {
                    return Optional.empty();
                }
                var parsed = parse(message.get());
                if (parsed.isPresent()) {
                    return parsed;
                }
            }
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
        return Optional.empty();
    }

    /** Sends a message and waits until the network has taken it. */
    void send(ObjectNode message) {
        var sent = new Callback.Completable();
        session.sendText(message.toString(), sent);
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

    private void put(Optional<String> message) {
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

    private static WrennException gone(@org.jspecify.annotations.Nullable Exception cause) {
        return new WrennException(Kind.UNAVAILABLE, "the client is gone", cause);
    }
}
