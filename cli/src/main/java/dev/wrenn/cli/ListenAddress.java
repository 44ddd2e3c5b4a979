package dev.wrenn.cli;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;

/**
 * Where the server listens.
 *
 * @param host name or address, without brackets
 * @param port 1 to 65535; 0 lets the system choose
 */
record ListenAddress(String host, int port) {
    static final ListenAddress DEFAULT = new ListenAddress("127.0.0.1", 8080);

    private static final int MAX_PORT = 65_535;
    private static final String EXPECTED = "expected HOST:PORT, such as 127.0.0.1:8080";

    ListenAddress {
        if (host.isBlank() || port < 0 || port > MAX_PORT) {
            throw new IllegalArgumentException(EXPECTED);
        }
    }

    /** Reads {@code HOST:PORT}; an IPv6 address stands in brackets. */
    static ListenAddress parse(String text) {
        int colon = text.lastIndexOf(':');
        if (colon < 0) {
            throw new IllegalArgumentException(EXPECTED);
        }
        var host = text.substring(0, colon);
        if (host.startsWith("[") && host.endsWith("]")) {
            host = host.substring(1, host.length() - 1);
        } else if (host.contains(":")) {
            throw new IllegalArgumentException(EXPECTED + " or [::1]:8080");
        }
        try {
            return new ListenAddress(host, Integer.parseInt(text.substring(colon + 1)));
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(EXPECTED, e);
        }
    }

    /** The address to bind. */
    InetSocketAddress toSocketAddress() throws UnknownHostException {
        return new InetSocketAddress(InetAddress.getByName(host), port);
    }

    /** How clients on this machine reach it. */
    String baseUrl(int actualPort) {
        var name =
                switch (host) {
                    case "0.0.0.0" -> "127.0.0.1";
                    case "::" -> "[::1]";
                    default -> host.contains(":") ? "[" + host + "]" : host;
                };
        return "http://" + name + ":" + actualPort;
    }

    @Override
    public String toString() {
        return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
    }
}
