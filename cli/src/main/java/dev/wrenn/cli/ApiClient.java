package dev.wrenn.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;

/** The public API as a client sees it. */
final class ApiClient implements Resource {
    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(5);
    private static final int FIRST_ERROR_STATUS = 400;

    private final HttpClient http = HttpClient.newBuilder().connectTimeout(CONNECT_LIMIT).build();
    private final String baseUrl;
    private final Secret key;

    ApiClient(String baseUrl, Secret key) {
        this.baseUrl = baseUrl;
        this.key = key;
    }

    JsonNode get(String path, Duration limit) {
        return send(request(path, limit).GET().build());
    }

    JsonNode post(String path, Map<String, ?> body, Duration limit) {
        return send(
                request(path, limit)
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofString(Json.line(body)))
                        .build());
    }

    void delete(String path, Duration limit) {
        send(request(path, limit).DELETE().build());
    }

    private HttpRequest.Builder request(String path, Duration limit) {
        return HttpRequest.newBuilder(URI.create(baseUrl + path))
                .timeout(limit)
                .header("X-API-Key", key.reveal());
    }

    private JsonNode send(HttpRequest request) {
        var attempt = request.method() + " " + request.uri().getPath();
        try {
            var response = http.send(request, HttpResponse.BodyHandlers.ofString());
            if (response.statusCode() >= FIRST_ERROR_STATUS) {
                throw new WrennException(
                        Kind.UNAVAILABLE,
                        "%s was answered with %d: %s"
                                .formatted(attempt, response.statusCode(), message(response)));
            }
            return response.body().isEmpty()
                    ? JsonNodeFactory.instance.nullNode()
                    : Json.read(response.body());
        } catch (IOException e) {
            throw new WrennException(
                    Kind.UNAVAILABLE, "%s got no answer from %s".formatted(attempt, baseUrl), e);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new WrennException(Kind.UNAVAILABLE, attempt + " was interrupted");
        }
    }

    private static String message(HttpResponse<String> response) {
        var type = response.headers().firstValue("Content-Type").orElse("");
        return type.startsWith("application/json")
                ? Json.read(response.body()).path("error").path("message").asText()
                : response.body();
    }

    @Override
    public void close() {
        // Not close(): that waits for requests, and ours have ended or were interrupted.
        http.shutdownNow();
    }
}
