package dev.wrenn.control.socket;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.GuestConnection;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.Routes;
import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;

/**
 * TCP into a capsule for those who hold its key: binary messages carry the bytes of one connection
 * to one port, both ways, in order. Closing the socket closes the connection and the other way
 * round; the text message {@code {"type":"eof"}} ends one direction only.
 */
public final class PortSockets {
    private static final int CHUNK_BYTES = 32 << 10;
    private static final int MOST_PORT = 65_535;
    private static final int GUEST_AGENT_PORT = 49_983;
    private static final Duration LISTENING = Duration.ofDays(1);

    private final Sockets sockets;

    /** Over those. */
    public PortSockets(Sockets sockets) {
        this.sockets = sockets;
    }

    /** Adds the route. */
    public void addTo(Routes routes) {
        sockets.add(
                routes,
                "/v1/capsules/{id}/ports/{port}/tunnel",
                (conversation, guest, ctx) ->
                        tunnel(conversation, guest, port(ctx.pathParam("port"))));
    }

    private static int port(String text) {
        int port = text.matches("[0-9]{1,5}") ? Integer.parseInt(text) : 0;
        if (port < 1 || port > MOST_PORT) {
            throw ApiException.invalid("a port is 1 to 65535, not " + text);
        }
        if (port == GUEST_AGENT_PORT) {
            throw ApiException.invalid("port " + port + " is the guest agent's own");
        }
        return port;
    }

    private static void tunnel(Conversation conversation, GuestSession guest, int port) {
        try (var connection = guest.connect(port);
                var forks = new Forks()) {
            conversation.send(Sockets.message("open"));
            forks.start(
                    "to guest",
                    () -> {
                        send(conversation, connection);
                        return true;
                    });
            var buffer = new byte[CHUNK_BYTES];
            for (int n = read(connection, buffer); n >= 0; n = read(connection, buffer)) {
                conversation.send(Arrays.copyOf(buffer, n));
            }
            guest.refuseIfEnded(); // the end of the run looks like any other end of bytes
            conversation.close("");
        }
    }

    /** Until the client has left or has nothing more to send. */
    private static void send(Conversation conversation, GuestConnection connection) {
        while (!conversation.hasEnded()) {
            var incoming = conversation.nextOfAny(LISTENING);
            if (incoming.isEmpty()) {
                connection.close(); // which ends the reading of the other direction too
                return;
            }
            switch (incoming.get()) {
                case Conversation.Incoming.Bytes(var bytes) -> write(connection, bytes);
                case Conversation.Incoming.Message(var json) -> {
                    if (json.path("type").asText().equals("eof")) {
                        connection.shutdownOutput();
                    }
                }
                case Conversation.Incoming.End _ -> {
                    // never handed out: the conversation turns it into nothing
                }
            }
        }
        connection.close();
    }

    private static void write(GuestConnection connection, byte[] bytes) {
        try {
            connection.output().write(bytes);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "the service in the capsule is gone", e);
        }
    }

    private static int read(GuestConnection connection, byte[] buffer) {
        try {
            return connection.input().read(buffer);
        } catch (IOException _) {
            return -1; // closed from either side: there is nothing more to carry
        }
    }
}
