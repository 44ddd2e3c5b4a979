package dev.wrenn.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.time.Duration;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * One cell in a capsule's code interpreter, as the Python SDK runs it: asks for its kernel, opens a
 * WebSocket to it, sends the code and listens until the kernel is idle again.
 */
final class Cell implements WebSocket.Listener {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int KERNELS_PORT = 8888;
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final int NORMAL_CLOSURE = 1000;

    private final String id = UUID.randomUUID().toString();
    private final StringBuilder message = new StringBuilder();
    private final StringBuilder printed = new StringBuilder();
    private final CompletableFuture<String> outcome = new CompletableFuture<>();

    /** Runs it in the capsule at that address and returns what it printed. */
    static String run(HttpClient http, String address, String code) {
        var host = address + ":" + KERNELS_PORT;
        var cell = new Cell();
        try {
            var asked =
                    HttpRequest.newBuilder(URI.create("http://" + host + "/api/kernels"))
                            .timeout(LIMIT)
                            .build();
            var kernels =
                    JSON.readTree(http.send(asked, HttpResponse.BodyHandlers.ofString()).body());
            var channels =
                    "ws://%s/api/kernels/%s/channels"
                            .formatted(host, kernels.path(0).path("id").asText());
            var socket =
                    http.newWebSocketBuilder()
                            .buildAsync(URI.create(channels), cell)
                            .get(LIMIT.toSeconds(), TimeUnit.SECONDS);
            var _ =
                    socket.sendText(cell.request(code), true)
                            .get(LIMIT.toSeconds(), TimeUnit.SECONDS);
            var text = cell.outcome.get(LIMIT.toSeconds(), TimeUnit.SECONDS);
            var _ = socket.sendClose(NORMAL_CLOSURE, "").thenRun(socket::abort);
            return text;
        } catch (IOException | ExecutionException | TimeoutException e) {
            throw new WrennException(Kind.UNAVAILABLE, "a cell did not run in " + address, e);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new WrennException(Kind.UNAVAILABLE, "running a cell was interrupted");
        }
    }

    /** Jupyter's messaging protocol 5.3, {@code execute_request}. */
    private String request(String code) {
        return Api.json(
                Map.of(
                        "channel",
                        "shell",
                        "header",
                        Map.of(
                                "msg_id",
                                id,
                                "msg_type",
                                "execute_request",
                                "username",
                                "bench",
                                "session",
                                id,
                                "version",
                                "5.3"),
                        "parent_header",
                        Map.of(),
                        "metadata",
                        Map.of(),
                        "content",
                        Map.of(
                                "code",
                                code,
                                "silent",
                                false,
                                "store_history",
                                true,
                                "user_expressions",
                                Map.of(),
                                "allow_stdin",
                                false,
                                "stop_on_error",
                                true),
                        "buffers",
                        new String[0]));
    }

    @Override
    public @Nullable CompletionStage<?> onText(WebSocket from, CharSequence part, boolean last) {
        message.append(part);
        if (last) {
            try {
                take(JSON.readTree(message.toString()));
            } catch (JsonProcessingException e) {
                outcome.completeExceptionally(e);
            }
            message.setLength(0);
        }
        from.request(1);
        return null;
    }

    private void take(JsonNode sent) {
        if (!sent.path("parent_header").path("msg_id").asText().equals(id)) {
            return; // of somebody else's cell
        }
        var content = sent.path("content");
        switch (sent.path("msg_type").asText()) {
            case "stream" -> printed.append(content.path("text").asText());
            case "error" -> printed.append(content.path("evalue").asText());
            case "status" -> {
                if (content.path("execution_state").asText().equals("idle")) {
                    outcome.complete(printed.toString());
                }
            }
            default -> {} // echoes and replies
        }
    }

    @Override
    public void onError(WebSocket from, Throwable error) {
        outcome.completeExceptionally(error);
    }
}
