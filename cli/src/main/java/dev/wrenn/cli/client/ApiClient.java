package dev.wrenn.cli.client;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.util.Map;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;

/** The public API as a client sees it. Thread-safe. */
public final class ApiClient implements Resource {
    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(5);
    private static final int FIRST_ERROR_STATUS = 400;
    private static final String JSON = "application/json";

    private final HttpClient http;
    private final String baseUrl;
    private final Secret key;

    /**
     * @param baseUrl such as {@code http://127.0.0.1:8080}, without a slash at its end
     * @param key API key
     */
    public ApiClient(String baseUrl, Secret key) {
        this.baseUrl = baseUrl;
        this.key = key;
        this.http = httpClient(baseUrl);
    }

    private static HttpClient httpClient(String baseUrl) {
        var builder =
                HttpClient.newBuilder()
                        .version(HttpClient.Version.HTTP_1_1)
                        .connectTimeout(CONNECT_LIMIT);
        if (!baseUrl.startsWith("https:")) {
            builder.sslContext(trustingNobody());
        }
        return builder.build();
    }

    /**
     * For a client that makes no TLS connections: the JDK's makes a context in any case, and the
     * one that it takes by itself reads all certificates of the machine, which costs more than all
     * the rest of a short command.
     */
    private static SSLContext trustingNobody() {
        try {
            var context = SSLContext.getInstance("TLS");
            context.init(new KeyManager[0], new TrustManager[0], null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new WrennException(Kind.BUG, "this JDK has no TLS", e);
        }
    }

    /** Where it calls. */
    public String baseUrl() {
        return baseUrl;
    }

    /** One segment of a path or a value of a query, whatever characters it has. */
    public static String escaped(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    /** GET. */
    public JsonNode get(String path, Duration limit) {
        return json(request(path, limit).GET().build());
    }

    /** POST with a JSON body. */
    public JsonNode post(String path, Map<String, ?> body, Duration limit) {
        return json(
                request(path, limit)
                        .header("Content-Type", JSON)
                        .POST(HttpRequest.BodyPublishers.ofString(Json.line(body)))
                        .build());
    }

    /** POST with a body of another type. */
    public JsonNode post(String path, String type, HttpRequest.BodyPublisher body, Duration limit) {
        return json(request(path, limit).header("Content-Type", type).POST(body).build());
    }

    /** PUT with a JSON body. */
    public JsonNode put(String path, Map<String, ?> body, Duration limit) {
        return json(
                request(path, limit)
                        .header("Content-Type", JSON)
                        .PUT(HttpRequest.BodyPublishers.ofString(Json.line(body)))
                        .build());
    }

    /** DELETE. */
    public void delete(String path, Duration limit) {
        json(request(path, limit).DELETE().build());
    }

    /**
     * POST whose answer is a stream; the caller closes it.
     *
     * @param limit until the answer begins
     */
    public InputStream stream(String path, Map<String, ?> body, Duration limit) {
        return open(
                request(path, limit)
                        .header("Content-Type", JSON)
                        .POST(HttpRequest.BodyPublishers.ofString(Json.line(body)))
                        .build());
    }

    /** GET whose answer is a stream; the caller closes it. */
    public InputStream stream(String path, Duration limit) {
        return open(request(path, limit).GET().build());
    }

    /** Opens a WebSocket; the caller closes it. */
    public ApiSocket socket(String path) {
        var uri = URI.create(baseUrl.replaceFirst("^http", "ws") + path);
        return ApiSocket.open(http, uri, key);
    }

    private HttpRequest.Builder request(String path, Duration limit) {
        return HttpRequest.newBuilder(URI.create(baseUrl + path))
                .timeout(limit)
                .header("X-API-Key", key.reveal());
    }

    private JsonNode json(HttpRequest request) {
        var response = send(request, HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() >= FIRST_ERROR_STATUS) {
            throw failure(response.statusCode(), typeOf(response), response.body());
        }
        return response.body().isEmpty()
                ? JsonNodeFactory.instance.nullNode()
                : Json.read(response.body());
    }

    private InputStream open(HttpRequest request) {
        var response = send(request, HttpResponse.BodyHandlers.ofInputStream());
        if (response.statusCode() < FIRST_ERROR_STATUS) {
            return response.body();
        }
        try (var body = response.body()) {
            var text = new String(body.readAllBytes(), StandardCharsets.UTF_8);
            throw failure(response.statusCode(), typeOf(response), text);
        } catch (IOException e) {
            throw broken(request, e);
        }
    }

    private <T> HttpResponse<T> send(HttpRequest request, HttpResponse.BodyHandler<T> handler) {
        try {
            return http.send(request, handler);
        } catch (IOException e) {
            throw broken(request, e);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new WrennException(Kind.UNAVAILABLE, attempt(request) + " was interrupted");
        }
    }

    private WrennException broken(HttpRequest request, IOException e) {
        return new WrennException(
                Kind.UNAVAILABLE,
                "%s got no answer from %s".formatted(attempt(request), baseUrl),
                e);
    }

    private static String attempt(HttpRequest request) {
        return request.method() + " " + request.uri().getPath();
    }

    private static String typeOf(HttpResponse<?> response) {
        return response.headers().firstValue("Content-Type").orElse("");
    }

    private static ApiFailure failure(int status, String type, String body) {
        if (!type.startsWith(JSON)) {
            return new ApiFailure(status, "", orStatus(body.strip(), status));
        }
        var error = Json.read(body).path("error");
        return new ApiFailure(
                status,
                error.path("code").asText(),
                orStatus(error.path("message").asText(), status));
    }

    private static String orStatus(String said, int status) {
        return said.isEmpty() ? "the server answered " + status : said;
    }

    @Override
    public void close() {
        // Not close(): that waits for requests, and ours have ended or were interrupted.
        http.shutdownNow();
    }
}
