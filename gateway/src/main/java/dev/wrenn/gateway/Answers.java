package dev.wrenn.gateway;

import dev.wrenn.contract.gateway.Admission;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;

/** What the gateway says itself, as plain text, when there is nothing to hand on. */
final class Answers {
    private Answers() {}

    /** Sends an answer of our own. */
    static void send(Response response, Callback callback, int status, String message) {
        response.reset();
        response.setStatus(status);
        response.getHeaders().put(HttpHeader.CONTENT_TYPE, "text/plain; charset=utf-8");
        response.getHeaders().put(HttpHeader.CACHE_CONTROL, "no-store");
        Content.Sink.write(response, true, message + "\n", callback);
    }

    /** The status for a request that was not let in. */
    static int statusOf(Admission.Reason reason) {
        return switch (reason) {
            case ABSENT -> HttpStatus.NOT_FOUND_404;
            case UNAUTHORIZED -> HttpStatus.UNAUTHORIZED_401;
            case NOT_RUNNING -> HttpStatus.CONFLICT_409;
            case UNAVAILABLE -> HttpStatus.SERVICE_UNAVAILABLE_503;
        };
    }
}
