package dev.wrenn.gateway;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** A web server as people write them into capsules: raw, so that a test sees every byte. */
final class LocalService implements AutoCloseable {
    private final ServerSocket server;
    private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
    private final AtomicInteger connections = new AtomicInteger();

    /** What it does with a connection. */
    interface Conversation {
        void hold(Socket socket) throws Exception;
    }

    /** What it answers to each request without a body. */
    interface Answer {
        String to(String head) throws Exception;
    }

    LocalService(int port, Conversation conversation) throws IOException {
        server = new ServerSocket();
        server.setReuseAddress(true);
        server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 256);
        Thread.ofVirtual().start(() -> accept(conversation));
    }

    static LocalService talking(Conversation conversation) throws IOException {
        return new LocalService(0, conversation);
    }

    /** Answers any number of requests on each connection. */
    static LocalService answering(Answer answer) throws IOException {
        return talking(socket -> {
            for (var head = head(socket); !head.isEmpty(); head = head(socket)) {
                socket.getOutputStream().write(answer.to(head).getBytes(ISO_8859_1));
            }
        });
    }

    static String ok(String body) {
        return "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s".formatted(body.length(), body);
    }

    /** Reads up to the empty line; empty if the other side has ended. */
    static String head(Socket socket) throws IOException {
        return head(socket.getInputStream());
    }

    static String head(InputStream input) throws IOException {
        var head = new StringBuilder();
        while (!head.toString().endsWith("\r\n\r\n")) {
            int c = input.read();
            if (c < 0) {
                return "";
            }
            head.append((char) c);
        }
        return head.toString();
    }

    private void accept(Conversation conversation) {
        while (!server.isClosed()) {
            try {
                var socket = server.accept();
                sockets.add(socket);
                connections.incrementAndGet();
                Thread.ofVirtual().start(() -> hold(conversation, socket));
            } catch (IOException _) {
                return; // closed by the test's end
            }
        }
    }

    private static void hold(Conversation conversation, Socket socket) {
        try (socket) {
            conversation.hold(socket);
        } catch (Exception _) {
            // The other side left; the test sees what came of it.
        }
    }

    int port() {
        return server.getLocalPort();
    }

    /** How many connections it has seen. */
    int connections() {
        return connections.get();
    }

    @Override
    public void close() throws IOException {
        server.close();
        for (var socket : sockets) {
            socket.close();
        }
    }
}
