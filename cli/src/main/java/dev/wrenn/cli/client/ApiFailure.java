package dev.wrenn.cli.client;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;

/** The server refused, or could not do, what was asked. */
public final class ApiFailure extends WrennException {
    private static final long serialVersionUID = 1L;

    private static final int UNAUTHORIZED = 401;
    private static final int FORBIDDEN = 403;
    private static final int NOT_FOUND = 404;
    private static final int CONFLICT = 409;
    private static final int FIRST_SERVER_FAULT = 500;

    private final int status;
    private final String code;

    /**
     * @param status of the answer (RFC 9110 §15)
     * @param code the server's name for the failure, empty if it gave none
     * @param message the server's own words
     */
    public ApiFailure(int status, String code, String message) {
        super(kindOf(status), message);
        this.status = status;
        this.code = code.isEmpty() ? "http_" + status : code;
    }

    /** The server's name for the failure, such as {@code not_found}; made of the status if none. */
    public String code() {
        return code;
    }

    /** HTTP status of the answer. */
    public int status() {
        return status;
    }

    /** What a script sees: documented in the help of the commands. */
    public int exitCode() {
        return switch (status) {
            case UNAUTHORIZED, FORBIDDEN -> 3;
            case NOT_FOUND -> 4;
            case CONFLICT -> 5;
            default -> status >= FIRST_SERVER_FAULT ? 1 : 2;
        };
    }

    private static Kind kindOf(int status) {
        return switch (status) {
            case NOT_FOUND -> Kind.ABSENT;
            case CONFLICT -> Kind.WRONG_STATE;
            default -> status >= FIRST_SERVER_FAULT ? Kind.UNAVAILABLE : Kind.INVALID;
        };
    }
}
