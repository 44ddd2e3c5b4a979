package dev.wrenn.simhost;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.GuestPorts;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/** The ports of one run of a simulated capsule: those of this machine's loopback. */
final class SimPorts implements GuestPorts {
    private static final int AGENT_PORT = 49_983;
    private static final int CONNECT_LIMIT_MS = 2_000;

    private final Runnable onUse;
    private final AtomicInteger uses = new AtomicInteger();
    private final Set<SocketChannel> channels = ConcurrentHashMap.newKeySet();
    private final List<Consumer<String>> listeners = new ArrayList<>(); // guarded by itself
    private volatile Optional<WrennException> ended = Optional.empty(); // written under listeners

    /**
     * @param onUse called when a use begins and when it ends
     */
    SimPorts(Runnable onUse) {
        this.onUse = onUse;
    }

    boolean isUsed() {
        return uses.get() > 0;
    }

    @Override
    public boolean isOpen() {
        return ended.isEmpty();
    }

    @Override
    public Use use() {
        refuseIfEnded();
        uses.incrementAndGet();
        onUse.run();
        var closed = new AtomicBoolean();
        return () -> {
            if (closed.compareAndSet(false, true)) {
                onUse.run();
                uses.decrementAndGet();
            }
        };
    }

    @Override
    public SocketChannel connect(int port) {
        refuseIfEnded();
        if (port < 1 || port > 65_535 || port == AGENT_PORT) {
            throw new WrennException(Kind.INVALID, "port " + port + " is not for users");
        }
        var socket = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
        try {
            var channel = SocketChannel.open();
            channels.removeIf(c -> !c.isOpen());
            channels.add(channel);
            try {
                channel.socket().connect(socket, CONNECT_LIMIT_MS);
            } catch (IOException e) {
                channel.close();
                throw e;
            }
            if (ended.isPresent()) {
                channel.close();
                refuseIfEnded();
            }
            return channel;
        } catch (IOException e) {
            throw new WrennException(
                    Kind.UNAVAILABLE, "nothing listens on port " + port + " of the capsule", e);
        }
    }

    @Override
    public void onEnd(Consumer<String> listener) {
        synchronized (listeners) {
            if (ended.isEmpty()) {
                listeners.add(listener);
                return;
            }
        }
        ended.ifPresent(e -> listener.accept(e.shownMessage()));
    }

    void end(WrennException reason) {
        List<Consumer<String>> told;
        synchronized (listeners) {
            if (ended.isPresent()) {
                return;
            }
            ended = Optional.of(reason);
            told = List.copyOf(listeners);
        }
        told.forEach(l -> l.accept(reason.shownMessage()));
        for (var channel : channels) {
            try {
                channel.close();
            } catch (IOException e) {
                throw new WrennException(Kind.UNAVAILABLE, "a connection does not close", e);
            }
        }
    }

    private void refuseIfEnded() {
        ended.ifPresent(e -> {
            throw e;
        });
    }
}
