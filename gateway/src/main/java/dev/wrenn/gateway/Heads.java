package dev.wrenn.gateway;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.eclipse.jetty.http.HttpField;
import org.eclipse.jetty.http.HttpFields;
import org.eclipse.jetty.http.HttpHeader;

/**
 * Which header fields pass between client and guest, and what they say there.
 *
 * <p>Fields of one hop end here (RFC 9110, section 7.6.1), but an upgrade is handed on. The gateway
 * itself answers {@code Expect: 100-continue}. The guest's service sees itself addressed as {@code
 * localhost}, which servers that check the host accept.
 */
final class Heads {
    private static final Set<String> HOP =
            Set.of(
                    "connection",
                    "keep-alive",
                    "proxy-authorization",
                    "proxy-authenticate",
                    "proxy-connection",
                    "transfer-encoding",
                    "te",
                    "trailer",
                    "upgrade");
    private static final Set<String> REPLACED =
            Set.of("host", "expect", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto");
    private static final String FORWARDED_FOR = HttpHeader.X_FORWARDED_FOR.asString();
    private static final String FORWARDED_PROTO = HttpHeader.X_FORWARDED_PROTO.asString();

    private Heads() {}

    /**
     * Where a request came from.
     *
     * @param address of the client, or of the proxy in front of us
     * @param host the host and port that the client asked
     * @param scheme how it reached us
     */
    record Origin(String address, String host, String scheme) {}

    /** The protocols that a request wants to change to. */
    static Optional<String> upgrade(HttpFields fields) {
        var wanted = Optional.ofNullable(fields.get(HttpHeader.UPGRADE));
        return fields.contains(HttpHeader.CONNECTION, "upgrade") ? wanted : Optional.empty();
    }

    /** The fields of a request as the guest gets them. */
    static HttpFields toGuest(HttpFields client, Origin origin, int port) {
        var fields = HttpFields.build();
        fields.put(HttpHeader.HOST, "localhost:" + port);
        var upgrade = upgrade(client);
        // What the client lists as belonging to the connection also belongs to the upgrade of it.
        var listed = upgrade.isPresent() ? Set.<String>of() : listed(client);
        for (var field : client) {
            var name = field.getLowerCaseName();
            if (!HOP.contains(name)
                    && !REPLACED.contains(name)
                    && !listed.contains(name)
                    && !Credentials.isCredential(field)) {
                fields.add(field);
            }
        }
        upgrade.ifPresent(protocols -> {
            fields.put(HttpHeader.CONNECTION, "Upgrade");
            fields.put(HttpHeader.UPGRADE, protocols);
        });
        var before = new ArrayList<>(client.getCSV(FORWARDED_FOR, true));
        before.add(origin.address());
        fields.put(FORWARDED_FOR, String.join(", ", before));
        fields.put(HttpHeader.X_FORWARDED_HOST, origin.host());
        fields.put(FORWARDED_PROTO, scheme(client, origin));
        return fields;
    }

    /** A proxy in front of us that ends TLS knows better than we how the client came. */
    private static String scheme(HttpFields client, Origin origin) {
        var told = client.get(FORWARDED_PROTO);
        return "https".equals(told) || "http".equals(told) ? told : origin.scheme();
    }

    /** Whether a field of the guest's answer stays behind. */
    static boolean isForOneHop(HttpFields guest, HttpField field) {
        return HOP.contains(field.getLowerCaseName())
                || listed(guest).contains(field.getLowerCaseName());
    }

    private static Set<String> listed(HttpFields fields) {
        var names = new HashSet<String>();
        for (var name : fields.getCSV(HttpHeader.CONNECTION, false)) {
            names.add(name.toLowerCase(Locale.ROOT));
        }
        return names;
    }
}
