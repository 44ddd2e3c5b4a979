package dev.wrenn.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Pause;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Secret;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The public API, timed from the first byte sent to the last byte received. */
final class Api implements Resource {
    private static final Duration LIMIT = Duration.ofMinutes(5);
    private static final Duration BUILD_LIMIT = Duration.ofMinutes(15);
    private static final Duration BUILD_INTERVAL = Duration.ofMillis(500);
    private static final String KEY_HEADER = "X-API-Key";
    private static final int FIRST_ERROR_STATUS = 400;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final HttpClient http = HttpClient.newHttpClient();
    private final String baseUrl;
    private final Secret key;

    Api(int port, Secret key) {
        this.baseUrl = "http://127.0.0.1:" + port;
        this.key = key;
    }

    /** An answer and the time it took, in milliseconds. */
    record Answer(JsonNode body, double millis) {
        String id() {
            return body.path("id").asText();
        }
    }

    Answer create(int memoryMb) {
        return post("/v1/capsules", Map.of("vcpus", 1, "memory_mb", memoryMb));
    }

    /** In the usual shape of that template. */
    Answer createFrom(String template) {
        return post("/v1/capsules", Map.of("template", template));
    }

    /** Builds a template and waits for it; without lines, a stock one. */
    void build(String name, List<String> lines) {
        var order = new HashMap<String, Object>(Map.of("name", name));
        if (!lines.isEmpty()) {
            order.put("recipe", lines);
            order.put("skip_pre_post", true);
            order.put("overwrite", true);
        }
        var build = "/v1/builds/" + post("/v1/builds", order).id();
        boolean hasEnded =
                Pause.until(
                        () -> send(request(build).GET().build()).body().has("completed_at"),
                        BUILD_INTERVAL,
                        Deadline.after(BUILD_LIMIT));
        var ended = send(request(build).GET().build()).body();
        if (!hasEnded || !ended.path("status").asText().equals("success")) {
            throw new WrennException(Kind.UNAVAILABLE, "a template was not built: " + ended);
        }
    }

    void deleteTemplate(String name) {
        send(request("/v1/snapshots/" + name).DELETE().build());
    }

    Answer pause(String capsule) {
        return post("/v1/capsules/" + capsule + "/pause", Map.of());
    }

    Answer resume(String capsule) {
        return post("/v1/capsules/" + capsule + "/resume", Map.of());
    }

    Answer checkpoint(String capsule) {
        return post("/v1/capsules/" + capsule + "/checkpoints", Map.of());
    }

    Answer fork(String capsule, int count) {
        return post("/v1/capsules/" + capsule + "/fork", Map.of("count", count));
    }

    /** A process in the guest holds that much memory when this returns. */
    void fill(String capsule, int mib) {
        background(
                capsule,
                "python3",
                List.of(
                        "-c",
                        "import os, time; held = [os.urandom(1 << 20) for _ in range(%d)];"
                                        .formatted(mib)
                                + " open('/run/held', 'w').close(); time.sleep(3600)"));
        shell(
                capsule,
                "n=0; until [ -e /run/held ]; do n=$((n+1)); [ $n -lt 1200 ] || exit 1;"
                        + " sleep 0.05; done");
    }

    void destroy(String capsule) {
        send(request("/v1/capsules/" + capsule).DELETE().build());
    }

    /** Runs a shell line and returns what it printed; it must succeed. */
    String shell(String capsule, String line) {
        var answer = exec(capsule, Map.of("cmd", "/bin/sh", "args", List.of("-c", line)));
        if (answer.path("exit_code").asInt(-1) != 0) {
            throw new WrennException(
                    Kind.UNAVAILABLE, "a command failed in capsule " + capsule + ": " + answer);
        }
        return answer.path("stdout").asText();
    }

    void background(String capsule, String program, List<String> arguments) {
        exec(capsule, Map.of("cmd", program, "args", arguments, "background", true));
    }

    /** Follows a shell line that {@link ExecStream#line} made. */
    ExecStream stream(String capsule, String line) {
        var stream = new ExecStream();
        var address = baseUrl.replaceFirst("^http", "ws") + "/v1/capsules/" + capsule;
        try {
            http.newWebSocketBuilder()
                    .header(KEY_HEADER, key.reveal())
                    .buildAsync(URI.create(address + "/exec/stream"), stream)
                    .thenCompose(socket -> socket.sendText(ExecStream.start(line), true))
                    .get(LIMIT.toSeconds(), TimeUnit.SECONDS);
            return stream;
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new WrennException(Kind.UNAVAILABLE, "opening a stream was interrupted");
        } catch (ExecutionException | TimeoutException e) {
            throw new WrennException(Kind.UNAVAILABLE, "a stream could not be opened", e);
        }
    }

    /** Reads whatever is at a path of the API. */
    void get(String path) {
        send(request(path).GET().build());
    }

    /** Where the API is, without a slash at the end. */
    String baseUrl() {
        return baseUrl;
    }

    /** What a request of somebody else must carry. */
    Map<String, String> keyHeader() {
        return Map.of(KEY_HEADER, key.reveal());
    }

    static String json(Map<String, ?> body) {
        try {
            return JSON.writeValueAsString(body);
        } catch (JsonProcessingException e) {
            throw new WrennException(Kind.BUG, "a request cannot be written as JSON", e);
        }
    }

    private JsonNode exec(String capsule, Map<String, ?> body) {
        return post("/v1/capsules/" + capsule + "/exec", body).body();
    }

    private Answer post(String path, Map<String, ?> body) {
        var text = HttpRequest.BodyPublishers.ofString(json(body));
        return send(request(path).header("Content-Type", "application/json").POST(text).build());
    }

    private HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create(baseUrl + path))
                .timeout(LIMIT)
                .header(KEY_HEADER, key.reveal());
    }

    private Answer send(HttpRequest request) {
        var attempt = request.method() + " " + request.uri().getPath();
        try {
            var watch = Stopwatch.start();
            var response = http.send(request, HttpResponse.BodyHandlers.ofString());
            double millis = watch.elapsedNanos() / 1e6;
            if (response.statusCode() >= FIRST_ERROR_STATUS) {
                throw new WrennException(
                        Kind.UNAVAILABLE,
                        "%s was answered with %d: %s"
                                .formatted(attempt, response.statusCode(), response.body()));
            }
            return new Answer(JSON.readTree(response.body()), millis);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, attempt + " got no answer", e);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new WrennException(Kind.UNAVAILABLE, attempt + " was interrupted");
        }
    }

    @Override
    public void close() {
        http.shutdownNow();
    }
}
