package dev.wrenn.gateway;

import dev.wrenn.contract.CapsuleId;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import org.eclipse.jetty.http.HttpFields;
import org.eclipse.jetty.http.HttpStatus;

/**
 * Routes by the host name's first label: {@code {port}-{capsule id}.anything}. Upper case and a
 * trailing dot mean the same name. Any other name is the API's.
 */
final class HostRouting implements Routing {
    /** Port of the guest agent: whoever reaches it is root in the capsule. */
    static final int AGENT_PORT = 49_983;

    private static final Pattern NAME = Pattern.compile("([0-9]+)-(cl-[0-9a-z]+)\\..+");
    private static final int LARGEST_PORT = 65_535;
    private static final int LONGEST_PORT = 5;

    @Override
    public Optional<Route> route(String host, HttpFields headers) {
        var name = NAME.matcher(host.toLowerCase(Locale.ROOT));
        return name.matches() ? Optional.of(route(name.group(1), name.group(2))) : Optional.empty();
    }

    private static Route route(String port, String capsule) {
        if (port.length() > LONGEST_PORT || port.startsWith("0") || parse(port) > LARGEST_PORT) {
            return new Route.Nowhere(
                    HttpStatus.BAD_REQUEST_400,
                    "the host name must begin with a port from 1 to 65535");
        }
        if (parse(port) == AGENT_PORT) {
            return new Route.Nowhere(
                    HttpStatus.FORBIDDEN_403, "port 49983 belongs to the platform, choose another");
        }
        try {
            return new Route.ToPort(new CapsuleId(capsule), parse(port));
        } catch (IllegalArgumentException e) {
            return new Route.Nowhere(
                    HttpStatus.BAD_REQUEST_400,
                    "the host name holds no capsule id: " + e.getMessage());
        }
    }

    private static int parse(String digits) {
        return Integer.parseInt(digits);
    }
}
