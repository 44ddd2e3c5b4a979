package dev.wrenn.control.http;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.UUID;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.handler.ErrorHandler;
import org.eclipse.jetty.util.Callback;

/**
 * Answers requests that the HTTP server itself refuses, such as those with a malformed address:
 * they get the same envelope as all others, and no page about the server.
 */
public final class RefusedRequests extends ErrorHandler {
    @Override
    public boolean handle(Request request, Response response, Callback callback) {
        int status = response.getStatus();
        var answer =
                HttpStatus.isServerError(status)
                        ? new ErrorResponse(ErrorCode.INTERNAL_ERROR, "the request failed")
                        : new ErrorResponse(
                                codeOf(status), "the request is malformed; nothing was done");
        var headers = response.getHeaders();
        headers.put(HttpHeader.CONTENT_TYPE, "application/json");
        if (!headers.contains("X-Request-Id")) {
            headers.put("X-Request-Id", UUID.randomUUID().toString());
        }
        var body = answer.json().getBytes(StandardCharsets.UTF_8);
        response.write(true, ByteBuffer.wrap(body), callback);
        return true;
    }

    private static ErrorCode codeOf(int status) {
        return switch (status) {
            case HttpStatus.NOT_FOUND_404 -> ErrorCode.NOT_FOUND;
            case HttpStatus.METHOD_NOT_ALLOWED_405 -> ErrorCode.METHOD_NOT_ALLOWED;
            case HttpStatus.PAYLOAD_TOO_LARGE_413 -> ErrorCode.TOO_LARGE;
            default -> ErrorCode.INVALID_REQUEST;
        };
    }
}
