package dev.wrenn.gateway;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.eclipse.jetty.io.AbstractConnection;
import org.eclipse.jetty.io.ByteBufferPool;
import org.eclipse.jetty.io.Connection;
import org.eclipse.jetty.io.EndPoint;
import org.eclipse.jetty.io.RetainableByteBuffer;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.IteratingCallback;
import org.eclipse.jetty.util.thread.Invocable;
import org.eclipse.jetty.util.thread.Scheduler;
import org.jspecify.annotations.Nullable;

/**
 * Joins the connections of client and guest after an upgrade: from then on bytes pass both ways and
 * nobody looks at them. Each way has its own buffer and waits for its own writer, so a slow end
 * slows only what is sent to it. An end that says that it is done is told to the other; when both
 * are done, or one breaks off, both are closed.
 *
 * <p>Nothing flows before the client's connection is open, which is when it has its 101.
 *
 * <p>The client of a WebSocket gets a {@link Farewell} when the run of the capsule ends, and a
 * moment to leave by itself; what it still sends is passed over.
 */
final class Tunnel {
    private static final int BUFFER_BYTES = 16 << 10;
    private static final Duration LEAVING_LIMIT = Duration.ofSeconds(5);

    private final Scheduler scheduler;
    private final Passage passage;
    private final Optional<Farewell> farewell;
    private final Runnable onEnd;
    private final AtomicBoolean ended = new AtomicBoolean();
    private volatile boolean hasBegun; // before that, the client expects a head and no frames
    private final End client;
    private final End guest;

    /**
     * @param passage tells the end of the run
     * @param isWebSocket whether the guest's bytes are WebSocket frames
     * @param onEnd called once, when both connections are closed or about to be
     */
    Tunnel(
            EndPoint client,
            EndPoint guest,
            Executor executor,
            Scheduler scheduler,
            ByteBufferPool buffers,
            Duration idleLimit,
            Passage passage,
            boolean isWebSocket,
            Runnable onEnd) {
        this.scheduler = scheduler;
        this.passage = passage;
        this.farewell = isWebSocket ? Optional.of(new Farewell()) : Optional.empty();
        this.onEnd = onEnd;
        this.client = new End(client, executor, buffers);
        this.guest = new End(guest, executor, buffers);
        client.setIdleTimeout(idleLimit.toMillis());
        guest.setIdleTimeout(idleLimit.toMillis());
    }

    /** The client's end; the tunnel begins when its connection is opened. */
    Connection clientEnd() {
        return client;
    }

    /** The guest's end. */
    Connection guestEnd() {
        return guest;
    }

    private void begin() {
        hasBegun = true;
        client.pump.iterate();
        guest.pump.iterate();
    }

    private End peerOf(End end) {
        return end == client ? guest : client;
    }

    private void finished() {
        if (client.isDone && guest.isDone) {
            end(Optional.empty());
        }
    }

    /** Ends the tunnel, whoever asks and however often. */
    void end(Optional<Throwable> failure) {
        if (!ended.compareAndSet(false, true)) {
            return;
        }
        onEnd.run();
        guest.getEndPoint().close(failure.orElse(null));
        var runEnd = passage.ended();
        if (farewell.isPresent() && runEnd.isPresent() && hasBegun) {
            // Whatever it does then: takes no bytes, stays silent, or sends on and on.
            var _ =
                    scheduler.schedule(
                            () -> client.getEndPoint().close(),
                            LEAVING_LIMIT.toMillis(),
                            TimeUnit.MILLISECONDS);
            if (farewell.get().leave(runEnd.get().shownMessage())) {
                sayFarewell(farewell.get());
            }
        } else {
            client.getEndPoint().close(failure.orElse(null));
        }
    }

    private void guestHasWritten() {
        farewell.filter(Farewell::isDueAfterWrite).ifPresent(this::sayFarewell);
    }

    private void sayFarewell(Farewell word) {
        var frame = word.say();
        if (frame.isEmpty()) {
            client.getEndPoint().close();
            return;
        }
        client.getEndPoint()
                .write(
                        Callback.from(
                                Invocable.InvocationType.NON_BLOCKING,
                                this::awaitLeaving,
                                failure -> client.getEndPoint().close(failure)),
                        frame.get());
    }

    /** To close at once would reset the connection if the client is just sending. */
    private void awaitLeaving() {
        client.getEndPoint().shutdownOutput();
        if (client.isOver) {
            client.getEndPoint().close();
        }
    }

    /** One of the two connections; its pump carries what arrives here to the other. */
    private final class End extends AbstractConnection.NonBlocking implements Connection.UpgradeTo {
        private final ByteBufferPool buffers;
        private final Pump pump = new Pump();
        private @Nullable ByteBuffer early; // set before the connection is opened
        private volatile boolean isDone; // written by the pump, read by the other end's
        private volatile boolean isOver; // the pump has stopped, however

        End(EndPoint endPoint, Executor executor, ByteBufferPool buffers) {
            super(endPoint, executor);
            this.buffers = buffers;
        }

        /** Takes what had arrived together with the upgrade. */
        @Override
        public void onUpgradeTo(ByteBuffer arrived) {
            early = arrived;
        }

        @Override
        public void onOpen() {
            super.onOpen();
            if (this == client) {
                begin();
            }
        }

        @Override
        public void onFillable() {
            pump.iterate();
        }

        @Override
        public void onClose(@Nullable Throwable cause) {
            super.onClose(cause);
            end(Optional.ofNullable(cause));
        }

        /** Reads here and writes there, one buffer at a time. */
        private final class Pump extends IteratingCallback {
            private @Nullable RetainableByteBuffer buffer;
            private boolean isWriting;

            @Override
            protected Action process() throws Throwable {
                var first = early;
                if (first != null) {
                    early = null;
                    return carry(first);
                }
                var room = buffers.acquire(BUFFER_BYTES, true);
                int filled;
                try {
                    filled = getEndPoint().fill(room.getByteBuffer());
                } catch (Throwable e) {
                    room.release();
                    throw e;
                }
                if (filled > 0) {
                    buffer = room;
                    return carry(room.getByteBuffer());
                }
                room.release();
                if (filled == 0) {
                    fillInterested(this);
                    return Action.SCHEDULED;
                }
                isDone = true;
                // What ends with the run does not end in order, whatever it looks like.
                if (passage.ended().isEmpty()) {
                    peerOf(End.this).getEndPoint().shutdownOutput();
                }
                return Action.SUCCEEDED;
            }

            private Action carry(ByteBuffer bytes) {
                if (End.this == client && ended.get()) {
                    succeeded(); // nobody is there to take it
                    return Action.SCHEDULED;
                }
                if (End.this == guest && !farewell.map(f -> f.begins(bytes)).orElse(true)) {
                    release();
                    return Action.SUCCEEDED;
                }
                isWriting = true;
                peerOf(End.this).getEndPoint().write(this, bytes);
                return Action.SCHEDULED;
            }

            @Override
            protected void onSuccess() {
                release();
                boolean wasWrite = isWriting;
                isWriting = false;
                if (wasWrite && End.this == guest) {
                    guestHasWritten();
                }
            }

            @Override
            protected void onCompleteSuccess() {
                isOver = true;
                if (passage.ended().isPresent()) {
                    end(Optional.empty());
                    closeIfLeft();
                } else {
                    finished();
                }
            }

            @Override
            protected void onCompleteFailure(Throwable cause) {
                isOver = true;
                release();
                end(Optional.of(cause));
                if (isWriting && End.this == guest) {
                    client.getEndPoint().close(cause); // it takes no last word either
                }
                closeIfLeft();
            }

            /** The client has left after the last word, or shows no sign of it. */
            private void closeIfLeft() {
                if (End.this == client && getEndPoint().isOutputShutdown()) {
                    getEndPoint().close();
                }
            }

            @Override
            public InvocationType getInvocationType() {
                return InvocationType.NON_BLOCKING;
            }

            private void release() {
                var used = buffer;
                buffer = null;
                if (used != null) {
                    used.release();
                }
            }
        }
    }
}
