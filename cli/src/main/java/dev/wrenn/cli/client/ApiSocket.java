package dev.wrenn.cli.client;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A WebSocket read as a sequence of messages. The next one is asked of the network only when the
 * last one was taken, so a slow reader holds the sender up. Sending is thread-safe; one thread
 * reads.
 */
public final class ApiSocket implements Resource {
    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(10);
    private static final Duration SEND_LIMIT = Duration.ofMinutes(10);

    private final Inbox inbox = new Inbox();
    private final WebSocket socket;
    private final ReentrantLock sending =
            new ReentrantLock(); // one at a time, java.net.http.WebSocket

    private ApiSocket(HttpClient http, URI uri, Secret key) {
        try {
            this.socket =
                    http.newWebSocketBuilder()
                            .header("X-API-Key", key.reveal())
                            .connectTimeout(CONNECT_LIMIT)
                            .buildAsync(uri, inbox)
                            .join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof WebSocketHandshakeException refused) {
                int status = refused.getResponse().statusCode();
                throw new ApiFailure(
                        status, "", "%s was refused with %d".formatted(uri.getPath(), status));
            }
            throw new WrennException(
                    Kind.UNAVAILABLE, "cannot connect to " + uri.getAuthority(), e.getCause());
        }
    }

    static ApiSocket open(HttpClient http, URI uri, Secret key) {
        return new ApiSocket(http, uri, key);
    }

    /** What comes out of a socket. */
    public sealed interface Incoming {
        /** A JSON text message. */
        record Message(JsonNode json) implements Incoming {
            /** Its {@code type} field. */
            public String type() {
                return json.path("type").asText();
            }
        }

        /** A binary message. */
        @SuppressWarnings("ArrayRecordComponent") // handed over, never kept by its maker
        record Bytes(byte[] bytes) implements Incoming {}

        /**
         * Nothing more comes.
         *
         * @param isOrderly whether the other side said so, rather than the connection breaking
         * @param reason in the other side's words, perhaps empty
         */
        record Closed(boolean isOrderly, String reason) implements Incoming {}
    }

    /** Waits for what comes next; after {@link Incoming.Closed} nothing does. */
    public Incoming next() {
        if (!inbox.waiting.isEmpty()) {
            return take();
        }
        socket.request(1);
        return take();
    }

    private Incoming take() {
        try {
            return inbox.waiting.take();
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            return new Incoming.Closed(true, "interrupted");
        }
    }

    /** Sends a JSON message; returns when the network has taken it. */
    public void send(Map<String, ?> message) {
        var text = Json.line(message);
        await(() -> socket.sendText(text, true));
    }

    /** Sends raw bytes; returns when the network has taken them. */
    public void send(byte[] bytes, int length) {
        await(() -> socket.sendBinary(ByteBuffer.wrap(bytes, 0, length), true));
    }

    private interface Sending {
        CompletableFuture<?> start();
    }

    private void await(Sending message) {
        sending.lock(); // held while sending on purpose: that is what it is for
        try {
            message.start().get(SEND_LIMIT.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new WrennException(Kind.UNAVAILABLE, "sending was interrupted");
        } catch (ExecutionException | TimeoutException e) {
            throw new WrennException(Kind.UNAVAILABLE, "the connection broke", e);
        } finally {
            sending.unlock();
        }
    }

    /** Collects frames into messages. */
    private static final class Inbox implements WebSocket.Listener {
        final LinkedBlockingQueue<Incoming> waiting = new LinkedBlockingQueue<>();
        private final StringBuilder text = new StringBuilder();
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        @Override
        public void onOpen(WebSocket socket) {
            // Nothing is asked for before somebody reads.
        }

        @Override
        public @Nullable CompletionStage<?> onText(
                WebSocket socket, CharSequence part, boolean last) {
            text.append(part);
            if (last) {
                waiting.add(new Incoming.Message(Json.read(text.toString())));
                text.setLength(0);
            } else {
                socket.request(1);
            }
            return null;
        }

        @Override
        public @Nullable CompletionStage<?> onBinary(
                WebSocket socket, ByteBuffer part, boolean last) {
            var copy = new byte[part.remaining()];
            part.get(copy);
            bytes.writeBytes(copy);
            if (last) {
                waiting.add(new Incoming.Bytes(bytes.toByteArray()));
                bytes.reset();
            } else {
                socket.request(1);
            }
            return null;
        }

        @Override
        public @Nullable CompletionStage<?> onPing(WebSocket socket, ByteBuffer message) {
            socket.request(1); // the JDK answers it; we still wait for a message
            return null;
        }

        @Override
        public @Nullable CompletionStage<?> onPong(WebSocket socket, ByteBuffer message) {
            socket.request(1);
            return null;
        }

        @Override
        public @Nullable CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
            waiting.add(new Incoming.Closed(true, reason));
            return null;
        }

        @Override
        public void onError(WebSocket socket, Throwable error) {
            waiting.add(new Incoming.Closed(false, String.valueOf(error.getMessage())));
        }
    }

    /** Leaves; what runs on the other side is not ended by it. */
    @Override
    public void close() {
        if (!socket.isOutputClosed()) {
            var _ = socket.sendClose(WebSocket.NORMAL_CLOSURE, "");
        }
        socket.abort();
    }
}
