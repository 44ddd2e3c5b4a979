package dev.wrenn.host.guest;

import dev.wrenn.base.Kind;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;

/**
 * Connects to a TCP port inside a guest: straight to the slot's address if the service listens
 * there, else through the agent's {@code /bridge} upgrade, which reaches the guest's loopback. The
 * straight way costs the guest nothing but the service itself.
 */
final class PortDialer {
    private static final int DIRECT_LIMIT_MS = 1_000;
    private static final int AGENT_LIMIT_MS = 2_000;
    private static final int HEAD_LIMIT_BYTES = 8 << 10;
    private static final int HEAD_LIMIT_MS = 10_000;
    private static final int LARGEST_PORT = 65_535;

    private PortDialer() {}

    /**
     * Tries both ways once.
     *
     * @return in blocking mode
     * @throws GuestFailure INVALID for a port that is not for users, UNAVAILABLE if nothing listens
     */
    static SocketChannel dial(GuestAgent agent, int port) {
        if (port < 1 || port > LARGEST_PORT || port == agent.port()) {
            throw new GuestFailure(Kind.INVALID, "port " + port + " is not for users");
        }
        try {
            return connect(new InetSocketAddress(agent.address(), port), DIRECT_LIMIT_MS);
        } catch (IOException _) {
            // Nothing listens on the outer address, or a firewall in the guest says so: the agent
            // sees what listens inside.
            return bridge(agent, port);
        }
    }

    private static SocketChannel bridge(GuestAgent agent, int port) {
        SocketChannel channel;
        try {
            channel = connect(new InetSocketAddress(agent.address(), agent.port()), AGENT_LIMIT_MS);
        } catch (IOException e) {
            throw GuestAgent.unanswered(e);
        }
        try {
            channel.socket().setSoTimeout(HEAD_LIMIT_MS);
            channel.socket()
                    .getOutputStream()
                    .write(
                            """
                            GET /bridge?port=%d HTTP/1.1\r
                            Host: %s\r
                            Connection: Upgrade\r
                            Upgrade: wrenn-tcp\r
                            X-Access-Token: %s\r
                            \r
                            """
                                    .formatted(
                                            port,
                                            agent.address().getHostAddress(),
                                            agent.token().reveal())
                                    .getBytes(StandardCharsets.US_ASCII));
            var status = readHead(channel.socket().getInputStream());
            if (!status.startsWith("HTTP/1.1 101")) {
                throw new GuestFailure(
                        Kind.UNAVAILABLE, "nothing listens on port " + port + " of the capsule");
            }
            channel.socket().setSoTimeout(0);
            return channel;
        } catch (IOException e) {
            closeBecause(channel, e);
            throw GuestAgent.unanswered(e);
        } catch (GuestFailure e) {
            closeBecause(channel, e);
            throw e;
        }
    }

    private static SocketChannel connect(SocketAddress address, int limitMs) throws IOException {
        var channel = SocketChannel.open();
        try {
            channel.socket().connect(address, limitMs);
            channel.socket().setTcpNoDelay(true);
            return channel;
        } catch (IOException e) {
            closeBecause(channel, e);
            throw e;
        }
    }

    /**
     * Reads up to and with the empty line and not a byte more, for what follows belongs to the
     * service; returns the first line.
     */
    private static String readHead(InputStream input) throws IOException {
        var head = new StringBuilder();
        while (head.length() < HEAD_LIMIT_BYTES) {
            int c = input.read();
            if (c < 0) {
                throw new IOException("the connection ended within the answer's head");
            }
            head.append((char) c);
            if (c == '\n' && head.toString().endsWith("\r\n\r\n")) {
                return head.substring(0, head.indexOf("\r\n"));
            }
        }
        throw new IOException("the answer's head is too long");
    }

    private static void closeBecause(SocketChannel channel, Exception because) {
        try {
            channel.close();
        } catch (IOException e) {
            because.addSuppressed(e);
        }
    }
}
