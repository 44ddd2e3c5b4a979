package dev.wrenn.gateway;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.eclipse.jetty.client.HttpClient;
import org.eclipse.jetty.client.HttpUpgrader;
import org.eclipse.jetty.client.transport.HttpClientTransportOverHTTP;
import org.eclipse.jetty.http.HttpField;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.http.HttpURI;
import org.eclipse.jetty.io.ClientConnector;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.proxy.ProxyHandler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.BufferUtil;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.thread.Invocable;
import org.eclipse.jetty.util.thread.Invocable.InvocationType;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Carries a request into a capsule and the answer back, bodies as they come and no faster than the
 * other side takes them. Each request handled here has its {@link Visit} as an attribute.
 */
final class PortProxy extends ProxyHandler {
    private static final Logger LOG = LoggerFactory.getLogger(PortProxy.class);
    private static final int HEADS_LIMIT_BYTES = 64 << 10;
    private static final int BUFFER_BYTES = 16 << 10;
    private static final int WAITING_REQUESTS = 4_096;
    private static final long FORGET_UNUSED_MS = 10_000;

    private final GatewayConfig config;

    PortProxy(GatewayConfig config) {
        this.config = config;
    }

    @Override
    protected HttpClient newHttpClient() {
        var transport = new HttpClientTransportOverHTTP(new ClientConnector());
        // All that runs on the client's threads here only starts reads and writes.
        transport.setInvocationType(InvocationType.NON_BLOCKING);
        var client = new HttpClient(transport);
        var threads = new QueuedThreadPool();
        threads.setName("gateway");
        threads.setDaemon(true);
        client.setExecutor(threads);
        client.setUserAgentField(null);
        client.setDefaultRequestContentType(null);
        client.setMaxConnectionsPerDestination(config.connectionsPerPort());
        client.setMaxRequestsQueuedPerDestination(WAITING_REQUESTS);
        client.setMaxRequestHeadersSize(HEADS_LIMIT_BYTES);
        client.setMaxResponseHeadersSize(HEADS_LIMIT_BYTES);
        client.setResponseBufferSize(BUFFER_BYTES);
        client.setIdleTimeout(config.pooledLimit().toMillis());
        client.setDestinationIdleTimeout(FORGET_UNUSED_MS);
        return client;
    }

    @Override
    protected void doStart() throws Exception {
        super.doStart();
        getHttpClient().getProtocolHandlers().put(new Upgrades.Switching());
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) {
        var visit = Visit.of(request);
        var answered = Callback.from(callback, visit::answered);
        try {
            allowPauses(request);
            return super.handle(request, response, answered);
        } catch (RuntimeException e) {
            visit.end();
            throw e;
        }
    }

    /**
     * A server's limit for idle connections is too short for an answer that comes when it comes.
     */
    private void allowPauses(Request request) {
        var connection = request.getConnectionMetaData().getConnection().getEndPoint();
        long usual = connection.getIdleTimeout();
        connection.setIdleTimeout(config.idleLimit().toMillis());
        Request.addCompletionListener(request, _ -> connection.setIdleTimeout(usual));
    }

    @Override
    protected HttpURI rewriteHttpURI(Request request) {
        return request.getHttpURI();
    }

    @Override
    protected org.eclipse.jetty.client.Request newProxyToServerRequest(
            Request request, HttpURI uri) {
        var visit = Visit.of(request);
        var path = uri.getPath();
        return new VerbatimRequest(
                        getHttpClient(),
                        visit.port(),
                        path == null || path.isEmpty() ? "/" : path,
                        uri.getQuery())
                .method(request.getMethod())
                .transport(new PortTransport(visit.passage(), visit.port(), config.connectLimit()))
                .idleTimeout(config.idleLimit().toMillis(), TimeUnit.MILLISECONDS);
    }

    @Override
    protected void copyRequestHeaders(Request request, org.eclipse.jetty.client.Request toGuest) {
        var uri = request.getHttpURI();
        var origin =
                new Heads.Origin(
                        Request.getRemoteAddr(request),
                        String.valueOf(uri.getAuthority()),
                        request.isSecure() ? "https" : "http");
        var fields = Heads.toGuest(request.getHeaders(), origin, Visit.of(request).port());
        toGuest.headers(h -> h.add(fields));
    }

    /** They are part of {@link Heads#toGuest}; a guest has no use for the others. */
    @Override
    protected void addProxyHeaders(Request request, org.eclipse.jetty.client.Request toGuest) {}

    @Override
    protected void sendProxyToServerRequest(
            Request request,
            org.eclipse.jetty.client.Request toGuest,
            Response response,
            Callback callback) {
        var visit = Visit.of(request);
        if (Heads.upgrade(request.getHeaders()).isPresent()) {
            HttpUpgrader.Factory upgrades =
                    _ -> new Upgrades(request, response, callback, visit, config.idleLimit());
            toGuest.attribute(HttpUpgrader.Factory.class.getName(), upgrades);
        }
        request.addFailureListener(failure -> {
            var _ = toGuest.abort(failure);
        });
        visit.sends(toGuest);
        super.sendProxyToServerRequest(request, toGuest, response, callback);
        // An announced body goes as soon as there is one. To wait for the guest's 100 would be to
        // wait for ever where a service does not know announcements.
        var body = super.onServerToProxyResponse100Continue(request, toGuest);
        if (body != null) {
            body.run();
        }
    }

    @Override
    protected org.eclipse.jetty.client.Response.CompleteListener newServerToProxyResponseListener(
            Request request,
            org.eclipse.jetty.client.Request toGuest,
            Response response,
            Callback callback) {
        return new AnswerListener(request, toGuest, response, callback);
    }

    /** Hands the answer on, its head changed where it must be. */
    private final class AnswerListener extends ProxyResponseListener {
        private final Response response;
        private final int port;
        private boolean headSent; // the client calls its listeners one after the other

        AnswerListener(
                Request request,
                org.eclipse.jetty.client.Request toGuest,
                Response response,
                Callback callback) {
            super(request, toGuest, response, callback);
            this.response = response;
            this.port = Visit.of(request).port();
        }

        /**
         * Sends the head on its way if the body is not there yet: whoever waits for events wants to
         * know that they will come.
         */
        @Override
        public void onContentSource(
                org.eclipse.jetty.client.Response fromGuest, Content.Source body) {
            Runnable again =
                    Invocable.from(
                            InvocationType.NON_BLOCKING, () -> onContentSource(fromGuest, body));
            var piece = body.read();
            if (piece == null && headSent) {
                body.demand(again);
            } else if (piece == null) {
                headSent = true;
                response.write(
                        false,
                        BufferUtil.EMPTY_BUFFER,
                        Callback.from(
                                InvocationType.NON_BLOCKING,
                                () -> body.demand(again),
                                failure -> abort(fromGuest, failure)));
            } else if (Content.Chunk.isFailure(piece)) {
                abort(fromGuest, piece.getFailure());
            } else {
                headSent = true;
                if (piece.hasRemaining()) {
                    onContent(fromGuest, piece, () -> body.demand(again));
                }
                piece.release();
            }
        }

        private static void abort(org.eclipse.jetty.client.Response fromGuest, Throwable failure) {
            var _ = fromGuest.abort(failure);
        }

        @Override
        public void onHeaders(org.eclipse.jetty.client.Response fromGuest) {
            super.onHeaders(fromGuest);
            var fields = response.getHeaders();
            for (HttpField field : fromGuest.getHeaders()) {
                if (Heads.isForOneHop(fromGuest.getHeaders(), field)) {
                    fields.remove(field.getName());
                }
            }
            var location = fields.get(HttpHeader.LOCATION);
            if (location != null) {
                fields.put(HttpHeader.LOCATION, Locations.forClient(location, port));
            }
        }
    }

    @Override
    protected void onServerToProxyResponseFailure(
            Request request,
            org.eclipse.jetty.client.Request toGuest,
            org.eclipse.jetty.client.Response fromGuest,
            Response response,
            Callback callback,
            Throwable failure) {
        if (response.isCommitted()) {
            // Too late for a status. Ending the body would make half an answer look whole.
            callback.failed(failure);
            return;
        }
        var visit = Visit.of(request);
        LOG.atDebug()
                .setCause(failure)
                .addKeyValue("port", visit.port())
                .log("no answer from the capsule");
        if (visit.passage().ended().isPresent()) {
            var ended = visit.passage().ended().get();
            Answers.send(
                    response, callback, HttpStatus.SERVICE_UNAVAILABLE_503, ended.shownMessage());
            return;
        }
        switch (failure) {
            case WrennException e when e.kind() == Kind.WRONG_STATE ->
                    Answers.send(
                            response,
                            callback,
                            HttpStatus.SERVICE_UNAVAILABLE_503,
                            e.shownMessage());
            case WrennException e ->
                    Answers.send(response, callback, HttpStatus.BAD_GATEWAY_502, e.shownMessage());
            case TimeoutException _ ->
                    Answers.send(
                            response,
                            callback,
                            HttpStatus.GATEWAY_TIMEOUT_504,
                            "port %d of the capsule did not answer for %d s"
                                    .formatted(visit.port(), config.idleLimit().toSeconds()));
            case RejectedExecutionException _ ->
                    Answers.send(
                            response,
                            callback,
                            HttpStatus.SERVICE_UNAVAILABLE_503,
                            "too many requests wait for port %d of the capsule"
                                    .formatted(visit.port()));
            default ->
                    Answers.send(
                            response,
                            callback,
                            HttpStatus.BAD_GATEWAY_502,
                            "port %d of the capsule closed the connection before it answered"
                                    .formatted(visit.port()));
        }
    }
}
