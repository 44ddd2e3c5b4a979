package dev.wrenn.vmm.firecracker;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.DeadlinePassed;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.vmm.LastWords;
import dev.wrenn.vmm.VmmFailed;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.eclipse.jetty.client.HttpClient;
import org.eclipse.jetty.client.StringRequestContent;
import org.eclipse.jetty.http.HttpMethod;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.io.Transport;

/**
 * The API of one Firecracker process (firecracker src/firecracker/swagger/firecracker.yaml).
 *
 * <p>Firecracker works requests off one after the other, between the events of its devices.
 * Thread-safe.
 */
final class Api {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final HttpClient http;
    private final Transport transport;

    Api(HttpClient http, Path socket) {
        this.http = http;
        this.transport = new Transport.TCPUnix(socket);
    }

    /** A client for the APIs of all VMs of one driver, started. */
    static HttpClient startClient() {
        var client = new HttpClient();
        client.setFollowRedirects(false);
        client.setUserAgentField(null);
        // Firecracker keeps ten connections; each destination is one process.
        client.setMaxConnectionsPerDestination(4);
        client.setDestinationIdleTimeout(30_000);
        try {
            client.start();
        } catch (Exception e) {
            throw new WrennException(Kind.BUG, "the client for Firecracker does not start", e);
        }
        client.getContentDecoderFactories().clear();
        return client;
    }

    /** Creates or sets what the path names. */
    void put(String attempt, String path, Object body, Deadline deadline) {
        call(attempt, HttpMethod.PUT, path, Optional.of(body), deadline);
    }

    /** Changes what the path names. */
    void patch(String attempt, String path, Object body, Deadline deadline) {
        call(attempt, HttpMethod.PATCH, path, Optional.of(body), deadline);
    }

    /** Reads what the path names. */
    JsonNode get(String attempt, String path, Deadline deadline) {
        return call(attempt, HttpMethod.GET, path, Optional.empty(), deadline);
    }

    /**
     * @throws ApiGone if the process ends before it answers, or has ended
     * @throws VmmFailed if it refuses; the cause is its own message
     */
    private JsonNode call(
            String attempt,
            HttpMethod method,
            String path,
            Optional<Object> body,
            Deadline deadline) {
        var request =
                http.newRequest("http://localhost" + path)
                        .transport(transport)
                        .method(method)
                        .timeout(Math.max(1, deadline.left().toMillis()), TimeUnit.MILLISECONDS);
        body.ifPresent(b ->
                request.body(
                        new StringRequestContent(
                                "application/json", text(b), StandardCharsets.UTF_8)));
        try {
            var response = request.send();
            var answer = parse(response.getContent());
            if (!HttpStatus.isSuccess(response.getStatus())) {
                var message = answer.path("fault_message").asText();
                throw new VmmFailed(
                        Kind.UNAVAILABLE,
                        attempt,
                        new LastWords(
                                message.isEmpty() ? "HTTP " + response.getStatus() : message));
            }
            return answer;
        } catch (TimeoutException _) {
            throw new DeadlinePassed(attempt, deadline.limit());
        } catch (ExecutionException e) {
            if (e.getCause() instanceof TimeoutException) {
                throw new DeadlinePassed(attempt, deadline.limit());
            }
            throw new ApiGone(attempt, e);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new WrennException(Kind.UNAVAILABLE, attempt + " was interrupted");
        }
    }

    private static String text(Object body) {
        try {
            return JSON.writeValueAsString(body);
        } catch (JsonProcessingException e) {
            throw new WrennException(Kind.BUG, "cannot write a request to Firecracker", e);
        }
    }

    private static JsonNode parse(byte[] content) {
        try {
            var tree = JSON.readTree(content);
            return tree == null ? JSON.createObjectNode() : tree;
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "reading an answer of Firecracker", e);
        }
    }
}
