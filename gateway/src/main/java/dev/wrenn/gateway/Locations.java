package dev.wrenn.gateway;

import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Takes the guest's own address out of a redirect: a client cannot reach {@code
 * http://localhost:8888/tree}, but it can reach {@code /tree} where it is.
 */
final class Locations {
    private static final Pattern ABSOLUTE =
            Pattern.compile("https?://([^/?#]*)(.*)", Pattern.CASE_INSENSITIVE | Pattern.DOTALL);
    private static final Set<String> INNER_HOSTS =
            Set.of("localhost", "127.0.0.1", "[::1]", "0.0.0.0", "[::]", "169.254.0.21");
    private static final int HTTP_PORT = 80;

    private Locations() {}

    /** The redirect for the client of a request to that port; foreign ones stay as they are. */
    static String forClient(String location, int port) {
        var absolute = ABSOLUTE.matcher(location.strip());
        if (!absolute.matches() || !isInner(absolute.group(1).toLowerCase(Locale.ROOT), port)) {
            return location;
        }
        var rest = absolute.group(2);
        if (rest.startsWith("//")) {
            return location; // as a path alone it would name another host
        }
        return rest.startsWith("/") ? rest : "/" + rest;
    }

    private static boolean isInner(String authority, int port) {
        if (port == HTTP_PORT && INNER_HOSTS.contains(authority)) {
            return true;
        }
        int colon = authority.lastIndexOf(':');
        return colon > 0
                && INNER_HOSTS.contains(authority.substring(0, colon))
                && authority.substring(colon + 1).equals(Integer.toString(port));
    }
}
