package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;

/** The HTTP API as a client sees it. */
record Api(String baseUrl, String key) {
    static final ObjectMapper JSON =
            new ObjectMapper(
                    JsonFactory.builder()
                            .streamReadConstraints(
                                    StreamReadConstraints.builder()
                                            .maxStringLength(Integer.MAX_VALUE)
                                            .build())
                            .build());
    static final HttpClient HTTP =
            HttpClient.newBuilder()
                    .version(HttpClient.Version.HTTP_1_1)
                    .connectTimeout(Duration.ofSeconds(10))
                    .build();

    /** What came back. */
    @SuppressWarnings("ArrayRecordComponent") // read by its test only
    record Answer(int status, HttpHeaders headers, byte[] bytes) {
        String text() {
            return new String(bytes, StandardCharsets.UTF_8);
        }

        /** Enough of it for a failure. */
        private String shown() {
            return new String(bytes, 0, Math.min(500, bytes.length), StandardCharsets.UTF_8);
        }

        JsonNode json() {
            try {
                return bytes.length == 0 ? MissingNode.getInstance() : JSON.readTree(bytes);
            } catch (IOException e) {
                throw new AssertionError("no JSON: " + shown(), e);
            }
        }

        String header(String name) {
            return headers.firstValue(name).orElse("");
        }

        /** A success with that status. */
        JsonNode is(int expected) {
            assertThat(status).as("status of %s", shown()).isEqualTo(expected);
            return json();
        }

        /** A failure in the one envelope that there is. */
        String fails(int expected, String code) {
            assertThat(status).as("status of %s", shown()).isEqualTo(expected);
            assertThat(header("Content-Type")).isEqualTo("application/json");
            assertThat(json().properties()).hasSize(1);
            assertThat(json().path("error").path("code").asText()).isEqualTo(code);
            var message = json().path("error").path("message").asText();
            assertThat(message).isNotBlank();
            return message;
        }
    }

    Answer get(String path) {
        return send("GET", path, BodyPublishers.noBody(), Map.of());
    }

    Answer delete(String path) {
        return send("DELETE", path, BodyPublishers.noBody(), Map.of());
    }

    Answer post(String path) {
        return send("POST", path, BodyPublishers.noBody(), Map.of());
    }

    Answer post(String path, String json) {
        return post(path, json, Map.of());
    }

    Answer post(String path, String json, Map<String, String> headers) {
        return send("POST", path, BodyPublishers.ofString(json), headers);
    }

    Answer send(String method, String path, BodyPublisher body, Map<String, String> headers) {
        var request =
                HttpRequest.newBuilder(URI.create(baseUrl + path))
                        .timeout(Duration.ofSeconds(60))
                        .method(method, body);
        if (!key.isEmpty()) {
            request.header("X-API-Key", key);
        }
        headers.forEach(request::header);
        try {
            var response = sendOnceMore(request.build());
            return new Answer(response.statusCode(), response.headers(), response.body());
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, method + " " + path + " broke off", e);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new WrennException(Kind.UNAVAILABLE, "interrupted");
        }
    }

    /**
     * What the server refuses in its first line ends the connection, and the rest of the request
     * may meet it closed. A method that may be repeated is (RFC 9110 §9.2.2), as browsers do.
     */
    private static HttpResponse<byte[]> sendOnceMore(HttpRequest request)
            throws IOException, InterruptedException {
        try {
            return HTTP.send(request, BodyHandlers.ofByteArray());
        } catch (IOException e) {
            if (request.method().equals("DELETE")) {
                return HTTP.send(request, BodyHandlers.ofByteArray());
            }
            throw e;
        }
    }

    /** A running capsule of the default template. */
    String create() {
        return create("{}");
    }

    String create(String body) {
        return post("/v1/capsules", body).is(201).path("id").asText();
    }

    /** A paused one. */
    String createPaused() {
        var id = create();
        post("/v1/capsules/" + id + "/pause").is(200);
        return id;
    }

    String status(String id) {
        return get("/v1/capsules/" + id).is(200).path("status").asText();
    }
}
