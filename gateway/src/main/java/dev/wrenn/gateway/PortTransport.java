package dev.wrenn.gateway;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Pause;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.net.SocketAddress;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import org.eclipse.jetty.io.ClientConnector;
import org.eclipse.jetty.io.Connection;
import org.eclipse.jetty.io.EndPoint;
import org.eclipse.jetty.io.ManagedSelector;
import org.eclipse.jetty.io.SocketChannelEndPoint;
import org.eclipse.jetty.io.Transport;
import org.eclipse.jetty.util.Promise;
import org.eclipse.jetty.util.thread.Scheduler;

/**
 * How the HTTP client reaches one port of one run of a capsule. The client keeps its connections
 * apart by this value, so one that was made for a run is never used for another.
 */
record PortTransport(Passage passage, int port, Duration connectLimit) implements Transport {
    private static final Duration RETRY_INTERVAL = Duration.ofMillis(100);

    /** Connects on a thread of its own, for it may take a while and the client's must not wait. */
    @Override
    public void connect(SocketAddress unused, Map<String, Object> context) {
        Forks.background(
                "gateway-connect",
                () -> {
                    try {
                        of(context, ClientConnector.CONTEXT_KEY, ClientConnector.class)
                                .accept(dial(), context);
                    } catch (WrennException e) {
                        of(context, ClientConnector.CONNECTION_PROMISE_CONTEXT_KEY, Promise.class)
                                .failed(e);
                    }
                });
    }

    private static <T> T of(Map<String, Object> context, String key, Class<T> type) {
        return type.cast(Objects.requireNonNull(context.get(key), key));
    }

    private SocketChannel dial() {
        var channel = new SocketChannel[1];
        var last = new WrennException[1];
        Pause.until(
                () -> {
                    try {
                        channel[0] = passage.ports().connect(port);
                        return true;
                    } catch (WrennException e) {
                        last[0] = e;
                        return e.kind() != Kind.UNAVAILABLE;
                    }
                },
                RETRY_INTERVAL,
                Deadline.after(connectLimit));
        if (channel[0] == null) {
            throw last[0];
        }
        return channel[0];
    }

    @Override
    public EndPoint newEndPoint(
            Scheduler scheduler,
            ManagedSelector selector,
            SelectableChannel channel,
            SelectionKey key) {
        return new SocketChannelEndPoint((SocketChannel) channel, selector, key, scheduler);
    }

    @Override
    public Connection newConnection(EndPoint endPoint, Map<String, Object> context)
            throws IOException {
        passage.track(endPoint);
        return Transport.super.newConnection(endPoint, context);
    }
}
