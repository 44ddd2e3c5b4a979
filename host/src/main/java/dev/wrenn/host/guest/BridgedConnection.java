package dev.wrenn.host.guest;

import dev.wrenn.base.Kind;
import dev.wrenn.contract.guest.GuestConnection;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/**
 * A raw TCP stream to a port inside the guest, opened through the agent's {@code /bridge} upgrade,
 * so that services bound to the guest's loopback are reached as well.
 */
final class BridgedConnection implements GuestConnection {
    private static final int CONNECT_LIMIT_MS = 2_000;
    private static final int HEAD_LIMIT_BYTES = 8 << 10;
    private static final int HEAD_LIMIT_MS = 10_000;

    private final Socket socket;
    private final InputStream input;
    private final OutputStream output;
    private volatile Runnable closeStep = () -> {};

    private BridgedConnection(Socket socket, InputStream input, OutputStream output) {
        this.socket = socket;
        this.input = input;
        this.output = output;
    }

    static BridgedConnection open(GuestAgent agent, int port) {
        var socket = new Socket();
        try {
            socket.connect(new InetSocketAddress(agent.address(), agent.port()), CONNECT_LIMIT_MS);
            socket.setTcpNoDelay(true);
            socket.setSoTimeout(HEAD_LIMIT_MS);
            var output = socket.getOutputStream();
            output.write(
                    """
                    GET /bridge?port=%d HTTP/1.1\r
                    Host: %s\r
                    Connection: Upgrade\r
                    Upgrade: wrenn-tcp\r
                    X-Access-Token: %s\r
                    \r
                    """
                            .formatted(
                                    port, agent.address().getHostAddress(), agent.token().reveal())
                            .getBytes(StandardCharsets.US_ASCII));
            var input = new BufferedInputStream(socket.getInputStream());
            var status = readHead(input);
            if (!status.startsWith("HTTP/1.1 101")) {
                throw new GuestFailure(
                        Kind.UNAVAILABLE, "nothing listens on port " + port + " of the capsule");
            }
            socket.setSoTimeout(0);
            return new BridgedConnection(socket, input, output);
        } catch (IOException e) {
            closeQuietly(socket, e);
            throw GuestAgent.unanswered(e);
        } catch (GuestFailure e) {
            closeQuietly(socket, e);
            throw e;
        }
    }

    /** Reads up to and with the empty line; returns the first one. */
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

    BridgedConnection onClose(Runnable step) {
        closeStep = step;
        return this;
    }

    @Override
    public InputStream input() {
        return input;
    }

    @Override
    public OutputStream output() {
        return output;
    }

    @Override
    public void shutdownOutput() {
        try {
            socket.shutdownOutput();
        } catch (IOException e) {
            throw GuestAgent.unanswered(e);
        }
    }

    @Override
    public void close() {
        closeStep.run();
        try {
            socket.close();
        } catch (IOException e) {
            throw GuestAgent.unanswered(e);
        }
    }

    private static void closeQuietly(Socket socket, Exception because) {
        try {
            socket.close();
        } catch (IOException e) {
            because.addSuppressed(e);
        }
    }
}
