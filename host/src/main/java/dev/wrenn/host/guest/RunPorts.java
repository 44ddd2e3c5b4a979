package dev.wrenn.host.guest;

import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.GuestPorts;
import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The ports of one run. Connections that are still open when the run ends are closed: the packets
 * of a VM that is gone just stop, and nobody would tell their owners.
 */
public final class RunPorts implements GuestPorts {
    private static final Logger LOG = LoggerFactory.getLogger(RunPorts.class);

    private final GuestAgent agent;
    private final Runnable onUse;
    private final Runnable onUnused;
    private final Set<SocketChannel> channels = ConcurrentHashMap.newKeySet();
    private final List<Consumer<String>> listeners = new ArrayList<>(); // guarded by itself
    private volatile Optional<WrennException> ended = Optional.empty(); // written under listeners

    /**
     * @param onUse called when a use begins
     * @param onUnused called when one ends
     */
    public RunPorts(GuestAgent agent, Runnable onUse, Runnable onUnused) {
        this.agent = agent;
        this.onUse = onUse;
        this.onUnused = onUnused;
    }

    @Override
    public boolean isOpen() {
        return ended.isEmpty();
    }

    @Override
    public Use use() {
        refuseIfEnded();
        onUse.run();
        var closed = new AtomicBoolean();
        return () -> {
            if (closed.compareAndSet(false, true)) {
                onUnused.run();
            }
        };
    }

    @Override
    public SocketChannel connect(int port) {
        refuseIfEnded();
        SocketChannel channel;
        try {
            channel = PortDialer.dial(agent, port);
        } catch (GuestFailure e) {
            refuseIfEnded();
            throw e;
        }
        channels.removeIf(c -> !c.isOpen());
        channels.add(channel);
        if (ended.isPresent()) {
            close(channel); // the end may have passed over the set before this one was in it
            refuseIfEnded();
        }
        return channel;
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

    /** Ends the run; the first reason stays. */
    public void end(WrennException reason) {
        List<Consumer<String>> told;
        synchronized (listeners) {
            if (ended.isPresent()) {
                return;
            }
            ended = Optional.of(reason);
            told = List.copyOf(listeners);
            listeners.clear();
        }
        // First the owners, who can say why, then what they left open.
        told.forEach(l -> l.accept(reason.shownMessage()));
        channels.forEach(RunPorts::close);
        channels.clear();
    }

    /** How many connections are remembered, for tests. */
    int openChannels() {
        return channels.size();
    }

    private void refuseIfEnded() {
        ended.ifPresent(e -> {
            throw e;
        });
    }

    private static void close(SocketChannel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            LOG.atWarn().setCause(e).log("a connection to a guest does not close");
        }
    }
}
