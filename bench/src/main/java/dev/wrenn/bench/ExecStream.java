package dev.wrenn.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * One command followed over a WebSocket, as the SDKs do it: what it prints to standard output is
 * counted and hashed, its first line on standard error says that it is ready, and the last one is
 * the hash at its end.
 */
final class ExecStream implements WebSocket.Listener, Resource {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int NORMAL_CLOSURE = 1000;

    private final StringBuilder message = new StringBuilder();
    private final StringBuilder complaints = new StringBuilder();
    private final MessageDigest digest = sha256();
    private final CompletableFuture<Boolean> ready = new CompletableFuture<>();
    private final CompletableFuture<Outcome> outcome = new CompletableFuture<>();
    private final CompletableFuture<WebSocket> socket = new CompletableFuture<>();
    private long bytes;

    /**
     * What arrived.
     *
     * @param bytes of standard output
     * @param intact whether the hash of it is the one that the command printed
     */
    record Outcome(long bytes, boolean intact) {}

    /** A line for a shell: hashes random bytes and prints both when the gate is opened. */
    static String line(int bytes, String gate) {
        return "f=$(mktemp) && head -c %d /dev/urandom >$f && echo ready >&2 && : <%s && cat $f && sha256sum <$f >&2 && rm $f"
                .formatted(bytes, gate);
    }

    /** The message that starts it. */
    static String start(String line) {
        return Api.json(
                Map.of(
                        "type",
                        "start",
                        "cmd",
                        "/bin/sh",
                        "args",
                        new String[] {"-c", line},
                        "encoding",
                        "base64"));
    }

    /** Waits until the command waits at its gate. */
    void awaitReady(Duration limit) {
        await(ready, limit);
    }

    /** Waits for the end of the command. */
    Outcome await(Duration limit) {
        return await(outcome, limit);
    }

    private <T> T await(CompletableFuture<T> future, Duration limit) {
        try {
            return future.get(limit.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new WrennException(Kind.UNAVAILABLE, "waiting for a stream was interrupted");
        } catch (ExecutionException | TimeoutException e) {
            throw new WrennException(
                    Kind.UNAVAILABLE,
                    "a stream broke or stalled after %d bytes".formatted(bytes),
                    e);
        }
    }

    @Override
    public void onOpen(WebSocket opened) {
        socket.complete(opened);
        opened.request(1);
    }

    @Override
    public @Nullable CompletionStage<?> onText(WebSocket from, CharSequence part, boolean last) {
        message.append(part);
        if (last) {
            take(message.toString());
            message.setLength(0);
        }
        from.request(1);
        return null;
    }

    private void take(String text) {
        try {
            var event = JSON.readTree(text);
            switch (event.path("type").asText()) {
                case "stdout" -> {
                    var data = data(event);
                    bytes += data.length;
                    digest.update(data);
                }
                case "stderr" -> {
                    complaints.append(new String(data(event), StandardCharsets.UTF_8));
                    if (complaints.indexOf("ready\n") >= 0) {
                        ready.complete(true);
                    }
                }
                case "exit" -> outcome.complete(new Outcome(bytes, isIntact(event)));
                case "error" -> fail(new WrennException(Kind.UNAVAILABLE, text));
                default -> {} // the start of the process
            }
        } catch (JsonProcessingException e) {
            fail(e);
        }
    }

    private boolean isIntact(JsonNode exit) {
        var hash = HexFormat.of().formatHex(digest.digest());
        return exit.path("exit_code").asInt(-1) == 0 && complaints.indexOf(hash) >= 0;
    }

    private static byte[] data(JsonNode event) {
        return Base64.getDecoder().decode(event.path("data").asText());
    }

    @Override
    public @Nullable CompletionStage<?> onClose(WebSocket from, int status, String reason) {
        fail(
                new WrennException(
                        Kind.UNAVAILABLE,
                        "the stream was closed: %d %s".formatted(status, reason)));
        return null;
    }

    @Override
    public void onError(WebSocket from, Throwable error) {
        fail(error);
    }

    private void fail(Throwable reason) {
        ready.completeExceptionally(reason);
        outcome.completeExceptionally(reason);
    }

    @Override
    public void close() {
        var _ =
                socket.thenAccept(open -> {
                    var _ = open.sendClose(NORMAL_CLOSURE, "").thenRun(open::abort);
                });
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JVM has SHA-256", e);
        }
    }
}
