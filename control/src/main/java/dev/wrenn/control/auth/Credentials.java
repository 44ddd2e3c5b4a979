package dev.wrenn.control.auth;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What a caller shows of itself in its headers. */
public final class Credentials {
    private static final String BEARER = "bearer ";

    private Credentials() {}

    /** A header by its name. */
    @FunctionalInterface
    public interface Headers {
        /** Its value, null if it was not sent. */
        @Nullable String get(String name);
    }

    /**
     * The API key: X-API-Key decides alone if it says anything, else a bearer token does.
     *
     * @return empty if neither was sent
     */
    public static Optional<String> shown(Headers headers) {
        var key = Optional.ofNullable(headers.get("X-API-Key")).filter(k -> !k.isEmpty());
        return key.isPresent()
                ? key
                : Optional.ofNullable(headers.get("Authorization"))
                        .filter(a -> !a.isEmpty())
                        .map(Credentials::token);
    }

    /** Another scheme than Bearer is shown as it is, to be refused like any wrong key. */
    private static String token(String authorization) {
        return authorization.regionMatches(true, 0, BEARER, 0, BEARER.length())
                ? authorization.substring(BEARER.length()).strip()
                : authorization;
    }
}
