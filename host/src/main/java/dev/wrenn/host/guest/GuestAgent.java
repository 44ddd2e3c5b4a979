package dev.wrenn.host.guest;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Pause;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.io.InputStream;
import java.net.Inet4Address;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.UnaryOperator;
import org.eclipse.jetty.client.BytesRequestContent;
import org.eclipse.jetty.client.CompletableResponseListener;
import org.eclipse.jetty.client.ContentResponse;
import org.eclipse.jetty.client.HttpClient;
import org.eclipse.jetty.client.InputStreamResponseListener;
import org.eclipse.jetty.client.Request;
import org.eclipse.jetty.client.Response;
import org.eclipse.jetty.client.StringRequestContent;
import org.eclipse.jetty.http.HttpMethod;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.util.component.LifeCycle;

/**
 * The guest agent of one run of a capsule, over HTTP at the capsule's slot address.
 *
 * <p>Speaks the Connect protocol with JSON messages (service and field names of the data plane
 * contract) and a few plain routes. Connections are pooled per run: a slot address is used again by
 * other capsules, so a connection must never outlive the run it was made for. Thread-safe.
 */
public final class GuestAgent implements Resource {
    /** Port the guest agent listens on. */
    public static final int PORT = 49_983;

    static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration CALL_LIMIT = Duration.ofMinutes(2);
    private static final Duration RETRY_INTERVAL = Duration.ofMillis(2);
    private static final int MESSAGE_LIMIT_BYTES = 16 << 20;
    private static final int ERROR_LIMIT_BYTES = 64 << 10;

    private final HttpClient http;
    private final Inet4Address address;
    private final Object runTag;
    private final Secret token;
    private final int port;
    private final UnaryOperator<Request> observer;

    /**
     * @param http shared client
     * @param address where the host reaches this run's guest
     * @param port port of the agent
     * @param runTag distinguishes the connections of this run from those of any other
     * @param token what the agent demands of its callers
     */
    public GuestAgent(
            HttpClient http, Inet4Address address, int port, Object runTag, Secret token) {
        this(http, address, port, runTag, token, UnaryOperator.identity());
    }

    private GuestAgent(
            HttpClient http,
            Inet4Address address,
            int port,
            Object runTag,
            Secret token,
            UnaryOperator<Request> observer) {
        this.http = http;
        this.address = address;
        this.port = port;
        this.runTag = runTag;
        this.token = token;
        this.observer = observer;
    }

    /** The same agent; each call, stream and transfer passes the observer before it is sent. */
    GuestAgent observedBy(UnaryOperator<Request> calls) {
        return new GuestAgent(http, address, port, runTag, token, calls);
    }

    /**
     * Tells the agent time, identity and environment; returns once it has taken them, which also
     * proves that the guest answers.
     *
     * @param authority the token the agent holds at this moment, which allows to replace it
     * @param loss completes if the VM is lost, which ends the waiting
     * @throws WrennException what the VM was lost to
     */
    public void init(
            GuestInit init,
            Secret authority,
            CompletableFuture<WrennException> loss,
            Deadline deadline) {
        var failure = new WrennException[1];
        boolean ready =
                Pause.until(
                        () -> {
                            try {
                                // Made anew for each attempt: it carries the time.
                                sendInit(init, authority, loss, deadline);
                                return true;
                            } catch (GuestFailure e) {
                                if (e.kind() != Kind.UNAVAILABLE) {
                                    throw e;
                                }
                                failure[0] = e;
                                return false;
                            }
                        },
                        RETRY_INTERVAL,
                        deadline);
        if (!ready) {
            throw new GuestFailure(
                    Kind.UNAVAILABLE,
                    "the guest agent did not answer within " + deadline.limit().toMillis() + " ms",
                    failure[0]);
        }
    }

    private void sendInit(
            GuestInit init,
            Secret authority,
            CompletableFuture<WrennException> loss,
            Deadline deadline) {
        if (loss.isDone()) {
            throw loss.resultNow();
        }
        var request =
                http.newRequest(uri("/init"))
                        .method(HttpMethod.POST)
                        .tag(runTag)
                        .timeout(Math.max(1, deadline.left().toMillis()), TimeUnit.MILLISECONDS)
                        .headers(h -> h.put("X-Access-Token", authority.reveal()))
                        .body(new StringRequestContent("application/json", init.toJson(), UTF_8));
        var answer = new CompletableResponseListener(request).send();
        try {
            CompletableFuture.anyOf(answer, loss).get();
            if (loss.isDone()) {
                throw loss.resultNow();
            }
            expectSuccess(answer.resultNow());
        } catch (ExecutionException e) {
            throw unanswered(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw unanswered(e);
        } finally {
            if (!answer.isDone()) {
                var _ = request.abort(new IOException("nobody waits for the answer any more"));
            }
        }
    }

    private static final java.nio.charset.Charset UTF_8 = java.nio.charset.StandardCharsets.UTF_8;

    /** Asks the guest to write back what it holds; it keeps running. */
    public void quiesce(Deadline deadline) {
        expectSuccess(send(request("/quiesce", HttpMethod.POST), deadline.left()));
    }

    /** Asks the guest to shut down cleanly; it answers before it does. */
    public void shutDown(Deadline deadline) {
        expectSuccess(send(request("/shutdown", HttpMethod.POST), deadline.left()));
    }

    /** One unary Connect call. */
    JsonNode call(String method, ObjectNode message) {
        var request =
                request(method, HttpMethod.POST)
                        .headers(h -> h.put("Connect-Protocol-Version", "1"))
                        .body(
                                new StringRequestContent(
                                        "application/json", message.toString(), UTF_8));
        var response = send(request, CALL_LIMIT);
        if (response.getStatus() == HttpStatus.OK_200) {
            return parse(response.getContent());
        }
        throw connectError(parseOrEmpty(response.getContent()), response.getStatus());
    }

    /**
     * One server-streaming Connect call.
     *
     * @return its messages; the caller closes it
     */
    ConnectStream stream(String method, ObjectNode message, java.util.Map<String, String> headers) {
        var request =
                request(method, HttpMethod.POST)
                        .headers(h -> headers.forEach(h::put))
                        .headers(h -> h.put("Connect-Protocol-Version", "1"))
                        .idleTimeout(0, TimeUnit.MILLISECONDS)
                        .body(
                                new BytesRequestContent(
                                        "application/connect+json", ConnectStream.frame(message)));
        var listener = new InputStreamResponseListener();
        request.send(listener);
        var response = awaitHead(listener, CALL_LIMIT);
        if (response.getStatus() != HttpStatus.OK_200) {
            throw connectError(readError(listener.getInputStream()), response.getStatus());
        }
        return new ConnectStream(request, listener.getInputStream());
    }

    /** A plain request to the agent, authorised, without a body. */
    Request request(String pathAndQuery, HttpMethod method) {
        return observer.apply(
                http.newRequest(uri(pathAndQuery))
                        .method(method)
                        .tag(runTag)
                        .headers(h -> h.put("X-Access-Token", token.reveal())));
    }

    /** Sends a request and reads a bounded answer whole. */
    ContentResponse send(Request request, Duration limit) {
        try {
            return request.timeout(Math.max(1, limit.toMillis()), TimeUnit.MILLISECONDS).send();
        } catch (ExecutionException | TimeoutException e) {
            throw unanswered(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw unanswered(e);
        }
    }

    /** Waits for status and headers of an answer whose body is read as a stream. */
    static Response awaitHead(InputStreamResponseListener listener, Duration limit) {
        try {
            return listener.get(limit.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException | TimeoutException e) {
            throw unanswered(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw unanswered(e);
        }
    }

    /** Throws what the agent meant, unless it answered with success. */
    static void expectSuccess(ContentResponse response) {
        if (!HttpStatus.isSuccess(response.getStatus())) {
            throw GuestFailure.ofHttpStatus(
                    response.getStatus(),
                    parseOrEmpty(response.getContent()).path("message").asText(""));
        }
    }

    /** The error body of a plain route. */
    static GuestFailure plainError(int status, InputStream body) {
        return GuestFailure.ofHttpStatus(status, readError(body).path("message").asText(""));
    }

    static GuestFailure unanswered(Exception cause) {
        return new GuestFailure(Kind.UNAVAILABLE, "the guest agent does not answer", cause);
    }

    static GuestFailure connectError(JsonNode error, int status) {
        if (error.hasNonNull("code") && error.get("code").isTextual()) {
            return GuestFailure.ofConnectCode(
                    error.get("code").asText(), error.path("message").asText(""));
        }
        return GuestFailure.ofHttpStatus(status, error.path("message").asText(""));
    }

    Inet4Address address() {
        return address;
    }

    int port() {
        return port;
    }

    Secret token() {
        return token;
    }

    private String uri(String pathAndQuery) {
        return "http://" + address.getHostAddress() + ":" + port + pathAndQuery;
    }

    private static JsonNode readError(InputStream body) {
        try (body) {
            return parseOrEmpty(body.readNBytes(ERROR_LIMIT_BYTES));
        } catch (IOException e) {
            throw unanswered(e);
        }
    }

    private static JsonNode parse(byte[] content) {
        if (content.length > MESSAGE_LIMIT_BYTES) {
            throw new GuestFailure(Kind.UNAVAILABLE, "the guest agent's answer is too long");
        }
        try {
            return JSON.readTree(content);
        } catch (IOException e) {
            throw new GuestFailure(Kind.UNAVAILABLE, "the guest agent's answer is not JSON", e);
        }
    }

    private static JsonNode parseOrEmpty(byte[] content) {
        try {
            var tree = JSON.readTree(content);
            return tree == null ? JSON.createObjectNode() : tree;
        } catch (IOException _) {
            return JSON.createObjectNode(); // the status alone must tell then
        }
    }

    /**
     * Ends the run's connections. Those to a VM that has gone would stay open until their peer's
     * silence is noticed.
     */
    @Override
    public void close() {
        for (var destination : http.getDestinations()) {
            if (runTag.equals(destination.getOrigin().getTag())
                    && http.removeDestination(destination)) {
                LifeCycle.stop(destination);
            }
        }
    }
}
