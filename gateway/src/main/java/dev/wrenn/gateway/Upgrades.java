package dev.wrenn.gateway;

import java.time.Duration;
import java.util.Optional;
import org.eclipse.jetty.client.HttpUpgrader;
import org.eclipse.jetty.client.Request;
import org.eclipse.jetty.client.UpgradeProtocolHandler;
import org.eclipse.jetty.http.HttpField;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.io.EndPoint;
import org.eclipse.jetty.server.HttpStream;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;

/**
 * Turns one request into a {@link Tunnel} if the guest answers it with 101; any other answer is
 * handed on like any other.
 */
final class Upgrades implements HttpUpgrader {
    private final org.eclipse.jetty.server.Request request;
    private final Response response;
    private final Callback callback;
    private final Visit visit;
    private final Duration idleLimit;

    Upgrades(
            org.eclipse.jetty.server.Request request,
            Response response,
            Callback callback,
            Visit visit,
            Duration idleLimit) {
        this.request = request;
        this.response = response;
        this.callback = callback;
        this.visit = visit;
        this.idleLimit = idleLimit;
    }

    /** Takes the 101 answers of requests that have an upgrader, whatever the protocol. */
    static final class Switching extends UpgradeProtocolHandler {
        @Override
        protected boolean acceptHeaders(
                Request toGuest, org.eclipse.jetty.client.Response fromGuest) {
            return toGuest.getAttributes().containsKey(HttpUpgrader.Factory.class.getName());
        }
    }

    @Override
    public void prepare(Request toGuest) {
        // The head has all that it needs already.
    }

    @Override
    public void upgrade(
            org.eclipse.jetty.client.Response fromGuest, EndPoint guest, Callback upgraded) {
        visit.upgraded();
        var connector = request.getConnectionMetaData().getConnector();
        var tunnel =
                new Tunnel(
                        request.getConnectionMetaData().getConnection().getEndPoint(),
                        guest,
                        connector.getExecutor(),
                        connector.getScheduler(),
                        connector.getByteBufferPool(),
                        idleLimit,
                        visit.passage(),
                        fromGuest.getHeaders().contains(HttpHeader.UPGRADE, "websocket"),
                        visit::end);
        guest.upgrade(tunnel.guestEnd());
        // If the client is gone before it has its 101, its end of the tunnel is never opened.
        org.eclipse.jetty.server.Request.addCompletionListener(
                request,
                failure -> {
                    if (failure != null) {
                        tunnel.end(Optional.of(failure));
                    }
                });
        request.setAttribute(HttpStream.UPGRADE_CONNECTION_ATTRIBUTE, tunnel.clientEnd());
        response.setStatus(HttpStatus.SWITCHING_PROTOCOLS_101);
        response.getHeaders().clear();
        for (HttpField field : fromGuest.getHeaders()) {
            response.getHeaders().add(field);
        }
        callback.succeeded();
        upgraded.succeeded();
    }
}
