package dev.wrenn.control.http;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;

/** A rule of the API chose the exact code of a failure. */
public final class ApiException extends WrennException {
    private static final long serialVersionUID = 1L;

    private final ErrorCode code;

    /**
     * @param shownMessage says what to do about it
     */
    public ApiException(ErrorCode code, String shownMessage) {
        super(Kind.INVALID, shownMessage);
        this.code = code;
    }

    /** A request that can never succeed as it is. */
    public static ApiException invalid(String shownMessage) {
        return new ApiException(ErrorCode.INVALID_REQUEST, shownMessage);
    }

    /** The code. */
    public ErrorCode code() {
        return code;
    }
}
