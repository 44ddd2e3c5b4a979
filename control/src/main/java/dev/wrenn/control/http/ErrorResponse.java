package dev.wrenn.control.http;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import org.jdbi.v3.core.JdbiException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a client is told of a failure: the one place that turns failures into HTTP.
 *
 * @param code machine code, with its status
 * @param message for people
 */
public record ErrorResponse(ErrorCode code, String message) {
    private static final Logger LOG = LoggerFactory.getLogger(ErrorResponse.class);

    /** The answer for any failure; what is our own fault is logged here, whole, and not shown. */
    public static ErrorResponse of(Throwable failure, String requestId) {
        return switch (failure) {
            case ApiException e -> new ErrorResponse(e.code(), e.shownMessage());
            case WrennException e when e.kind() != Kind.BUG -> {
                if (e.kind() == Kind.CORRUPT || e.kind() == Kind.UNAVAILABLE) {
                    LOG.atWarn().setCause(e).addKeyValue("request", requestId).log("call failed");
                }
                yield new ErrorResponse(codeFor(e.kind()), e.shownMessage());
            }
            case Error e -> throw e;
            case JdbiException e when FailedRows.isOutage(e) -> {
                LOG.atError().setCause(e).addKeyValue("request", requestId).log("no database");
                yield new ErrorResponse(
                        ErrorCode.DB_ERROR, "the database does not answer; try again soon");
            }
            default -> {
                LOG.atError()
                        .setCause(failure)
                        .addKeyValue("request", requestId)
                        .log("unhandled failure");
                yield new ErrorResponse(
                        ErrorCode.INTERNAL_ERROR, "internal error, request " + requestId);
            }
        };
    }

    /** The code of the answer for any failure. */
    public static ErrorCode codeOf(Throwable failure) {
        return switch (failure) {
            case ApiException e -> e.code();
            case WrennException e -> codeFor(e.kind());
            case JdbiException e when FailedRows.isOutage(e) -> ErrorCode.DB_ERROR;
            default -> ErrorCode.INTERNAL_ERROR;
        };
    }

    private static ErrorCode codeFor(Kind kind) {
        return switch (kind) {
            case INVALID -> ErrorCode.INVALID_REQUEST;
            case ABSENT -> ErrorCode.NOT_FOUND;
            case CONFLICT -> ErrorCode.CONFLICT;
            case WRONG_STATE -> ErrorCode.INVALID_STATE;
            case EXHAUSTED -> ErrorCode.NO_HOSTS_AVAILABLE;
            case UNAVAILABLE -> ErrorCode.AGENT_ERROR;
            case CORRUPT -> ErrorCode.SNAPSHOT_CORRUPT;
            case BUG -> ErrorCode.INTERNAL_ERROR;
        };
    }

    /** The envelope. */
    public String json() {
        var body = JsonNodeFactory.instance.objectNode();
        body.putObject("error").put("code", code.wire()).put("message", message);
        return body.toString();
    }
}
