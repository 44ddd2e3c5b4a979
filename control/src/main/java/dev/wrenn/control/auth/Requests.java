package dev.wrenn.control.auth;

import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import dev.wrenn.control.http.JsonBody;
import io.javalin.http.Context;
import java.io.IOException;
import java.io.InputStream;

/** What every route needs of a request: who calls, and its body. */
public final class Requests {
    private static final int PIECE_BYTES = 64 << 10;
    private static final long PASSED_OVER_BYTES = 256L << 20;

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
        return keys.authenticate(Credentials.shown(ctx::header));
    }

    /** The body as a JSON object; never more of it is kept than is allowed. */
    public JsonBody body(Context ctx) {
        try (var stream = ctx.bodyInputStream()) {
            var bytes = stream.readNBytes(maxJsonBytes + 1);
            if (bytes.length > maxJsonBytes) {
                passOver(stream);
                throw new ApiException(
                        ErrorCode.TOO_LARGE,
                        "the body may have at most " + maxJsonBytes + " bytes");
            }
            return JsonBody.parse(bytes);
        } catch (IOException _) {
            throw ApiException.invalid("the body broke off");
        }
    }

    /**
     * Reads on without keeping anything, up to a limit: a client reads no answer before it has sent
     * everything, and would be told of a broken connection instead of the reason.
     */
    public void passOverBody(Context ctx) {
        try (var stream = ctx.bodyInputStream()) {
            passOver(stream);
        } catch (IOException _) {
            throw ApiException.invalid("the body broke off");
        }
    }

    private static void passOver(InputStream body) throws IOException {
        var nowhere = new byte[PIECE_BYTES];
        long left = PASSED_OVER_BYTES;
        for (int n = body.read(nowhere); n >= 0 && left > 0; n = body.read(nowhere)) {
            left -= n;
        }
    }
}
