package dev.wrenn.gateway;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;
import org.eclipse.jetty.http.HttpField;
import org.eclipse.jetty.http.HttpHeader;

/**
 * Tells which header fields hold credentials of the platform. They never go into a guest: code that
 * runs there is not trusted, and a key that it sees is a key that it has.
 */
final class Credentials {
    static final String API_KEY = "X-API-Key";
    private static final Set<String> NAMES = Set.of("x-api-key", "x-host-token");
    private static final String KEY_PREFIX = "wrn_";
    private static final Pattern BEARER =
            Pattern.compile("bearer\\s+(.*)", Pattern.CASE_INSENSITIVE | Pattern.DOTALL);

    /**
     * Our tokens name a user or a host by our kind of id; foreign ones are the guest's business.
     */
    private static final Pattern OUR_SUBJECT =
            Pattern.compile("\"sub\"\\s*:\\s*\"(usr|host)-[0-9a-z]{25}\"");

    private Credentials() {}

    /** Whether that field must not reach a guest. */
    static boolean isCredential(HttpField field) {
        if (NAMES.contains(field.getName().toLowerCase(Locale.ROOT))) {
            return true;
        }
        var value = field.getValue();
        if (field.getHeader() != HttpHeader.AUTHORIZATION || value == null) {
            return false;
        }
        var bearer = BEARER.matcher(value.strip());
        return bearer.matches() && isOurs(bearer.group(1).strip());
    }

    private static boolean isOurs(String shown) {
        return shown.startsWith(KEY_PREFIX) || isOurJwt(shown.split("\\.", -1));
    }

    /** Looks at the claims without checking the signature: nobody gains by having it removed. */
    private static boolean isOurJwt(String[] parts) {
        if (parts.length != 3) {
            return false;
        }
        try {
            var claims = Base64.getUrlDecoder().decode(parts[1]);
            return OUR_SUBJECT.matcher(new String(claims, StandardCharsets.UTF_8)).find();
        } catch (IllegalArgumentException _) {
            return false; // not base64, so not a JWT of ours
        }
    }
}
