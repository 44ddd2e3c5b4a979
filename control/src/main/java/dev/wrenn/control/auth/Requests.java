package dev.wrenn.control.auth;

import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import dev.wrenn.control.http.JsonBody;
import io.javalin.http.Context;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** What every route needs of a request: who calls, and its body. */
public final class Requests {
    private final ApiKeys keys;
    private final int maxJsonBytes;

    /**
     * @param maxJsonBytes longest JSON body
     */
    public Requests(ApiKeys keys, int maxJsonBytes) {
        this.keys = keys;
        this.maxJsonBytes = maxJsonBytes;
    }

    /** Who calls. */
    public Caller caller(Context ctx) {
        return keys.authenticate(Optional.ofNullable(ctx.header("X-API-Key")));
    }

    /** The body as a JSON object; never more of it is read than is allowed. */
    public JsonBody body(Context ctx) {
        try {
            var bytes = ctx.bodyInputStream().readNBytes(maxJsonBytes + 1);
            if (bytes.length > maxJsonBytes) {
                throw new ApiException(
                        ErrorCode.TOO_LARGE,
                        "the body may have at most " + maxJsonBytes + " bytes");
            }
            return JsonBody.parse(new String(bytes, StandardCharsets.UTF_8));
        } catch (IOException _) {
            throw ApiException.invalid("the body broke off");
        }
    }
}
