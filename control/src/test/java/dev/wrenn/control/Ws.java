package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A WebSocket of the API as a client sees it. */
final class Ws implements AutoCloseable {
    private static final Duration LIMIT = Duration.ofSeconds(20);

    private final LinkedBlockingQueue<Received> received;
    private final WebSocket socket;

    private Ws(LinkedBlockingQueue<Received> received, WebSocket socket) {
        this.received = received;
        this.socket = socket;
    }

    /** What the server sent. */
    sealed interface Received {
        record Message(JsonNode json) implements Received {}

        @SuppressWarnings("ArrayRecordComponent")
        record Bytes(byte[] bytes) implements Received {}

        record Closed(int code) implements Received {}

        record Broken(Throwable why) implements Received {}
    }

    static Ws open(Api api, String path) {
        return open(api.baseUrl(), path, Map.of("X-API-Key", api.key()));
    }

    static Ws open(String baseUrl, String path, Map<String, String> headers) {
        var received = new LinkedBlockingQueue<Received>();
        var builder = Api.HTTP.newWebSocketBuilder();
        headers.forEach(builder::header);
        return new Ws(
                received, builder.buildAsync(uri(baseUrl, path), new Listener(received)).join());
    }

    /** The status of an upgrade that is refused. */
    static int refusal(String baseUrl, String path, Map<String, String> headers) {
        try (var _ = open(baseUrl, path, headers)) {
            throw new AssertionError("the upgrade was not refused");
        } catch (CompletionException e) {
            if (e.getCause() instanceof WebSocketHandshakeException refused) {
                return refused.getResponse().statusCode();
            }
            throw e;
        }
    }

    private static URI uri(String baseUrl, String path) {
        return URI.create(baseUrl.replaceFirst("http", "ws") + path);
    }

    Ws send(String json) {
        socket.sendText(json, true).join();
        return this;
    }

    Ws send(byte[] raw) {
        socket.sendBinary(ByteBuffer.wrap(raw), true).join();
        return this;
    }

    Received next() {
        try {
            var next = received.poll(LIMIT.toSeconds(), TimeUnit.SECONDS);
            if (next == null) {
                throw new AssertionError("nothing came within " + LIMIT.toSeconds() + " s");
            }
            return next;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }

    /** The next message, which must be of that type; pings count only if one is asked for. */
    JsonNode next(String type) {
        var next = next();
        assertThat(next).isInstanceOf(Received.Message.class);
        var json = ((Received.Message) next).json();
        if (json.path("type").asText().equals("ping") && !type.equals("ping")) {
            return next(type);
        }
        assertThat(json.path("type").asText()).as("type of %s", json).isEqualTo(type);
        return json;
    }

    /** Everything of that type up to the first of another one, its data put together. */
    String textUntil(String type, String end) {
        var all = new StringBuilder();
        while (true) {
            var json = ((Received.Message) next()).json();
            if (json.path("type").asText().equals(end)) {
                return all.toString();
            }
            assertThat(json.path("type").asText()).isEqualTo(type);
            assertThat(json.path("data").asText()).isNotEmpty();
            all.append(json.path("data").asText());
        }
    }

    /** The server closes in order. */
    void closes() {
        assertThat(next()).isEqualTo(new Received.Closed(1000));
    }

    /** The server says what is wrong, and closes in order. */
    String fails() {
        var error = next("error");
        assertThat(error.path("fatal").asBoolean()).isTrue();
        closes();
        return error.path("data").asText();
    }

    /** Leaves without a word. */
    @Override
    public void close() {
        socket.abort();
    }

    /** Called by the client's threads, one at a time. */
    private static final class Listener implements WebSocket.Listener {
        private final LinkedBlockingQueue<Received> received;
        private final StringBuilder text = new StringBuilder();
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        Listener(LinkedBlockingQueue<Received> received) {
            this.received = received;
        }

        @Override
        public CompletionStage<?> onText(WebSocket webSocket, CharSequence data, boolean last) {
            text.append(data);
            if (last) {
                try {
                    received.add(new Received.Message(Api.JSON.readTree(text.toString())));
                } catch (JsonProcessingException e) {
                    received.add(new Received.Broken(e));
                }
                text.setLength(0);
            }
            webSocket.request(1);
            return CompletableFuture.completedStage(null);
        }

        @Override
        public CompletionStage<?> onBinary(WebSocket webSocket, ByteBuffer data, boolean last) {
            var piece = new byte[data.remaining()];
            data.get(piece);
            bytes.writeBytes(piece);
            if (last) {
                received.add(new Received.Bytes(bytes.toByteArray()));
                bytes.reset();
            }
            webSocket.request(1);
            return CompletableFuture.completedStage(null);
        }

        @Override
        public CompletionStage<?> onClose(WebSocket webSocket, int statusCode, String reason) {
            received.add(new Received.Closed(statusCode));
            return CompletableFuture.completedStage(null);
        }

        @Override
        public void onError(WebSocket webSocket, Throwable error) {
            received.add(new Received.Broken(error));
        }
    }
}
