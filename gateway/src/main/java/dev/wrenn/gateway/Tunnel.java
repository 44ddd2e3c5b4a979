package dev.wrenn.gateway;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import org.eclipse.jetty.io.AbstractConnection;
import org.eclipse.jetty.io.ByteBufferPool;
import org.eclipse.jetty.io.Connection;
import org.eclipse.jetty.io.EndPoint;
import org.eclipse.jetty.io.RetainableByteBuffer;
import org.eclipse.jetty.util.IteratingCallback;
import org.jspecify.annotations.Nullable;

/**
 * Joins the connections of client and guest after an upgrade: from then on bytes pass both ways and
 * nobody looks at them. Each way has its own buffer and waits for its own writer, so a slow end
 * slows only what is sent to it. An end that says that it is done is told to the other; when both
 * are done, or one breaks off, both are closed.
 *
 * <p>Nothing flows before the client's connection is open, which is when it has its 101.
 */
final class Tunnel {
    private static final int BUFFER_BYTES = 16 << 10;

    private final Runnable onEnd;
    private final AtomicBoolean ended = new AtomicBoolean();
    private final End client;
    private final End guest;

    /**
     * @param onEnd called once, when both connections are closed or about to be
     */
    Tunnel(
            EndPoint client,
            EndPoint guest,
            Executor executor,
            ByteBufferPool buffers,
            Duration idleLimit,
            Runnable onEnd) {
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
        if (ended.compareAndSet(false, true)) {
            onEnd.run();
            client.getEndPoint().close(failure.orElse(null));
            guest.getEndPoint().close(failure.orElse(null));
        }
    }

    /** One of the two connections; its pump carries what arrives here to the other. */
    private final class End extends AbstractConnection.NonBlocking implements Connection.UpgradeTo {
        private final ByteBufferPool buffers;
        private final Pump pump = new Pump();
        private @Nullable ByteBuffer early; // set before the connection is opened
        private volatile boolean isDone; // written by the pump, read by the other end's

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

            @Override
            protected Action process() throws Throwable {
                var to = peerOf(End.this).getEndPoint();
                var first = early;
                if (first != null) {
                    early = null;
                    to.write(this, first);
                    return Action.SCHEDULED;
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
                    to.write(this, room.getByteBuffer());
                    return Action.SCHEDULED;
                }
                room.release();
                if (filled == 0) {
                    fillInterested(this);
                    return Action.SCHEDULED;
                }
                isDone = true;
                to.shutdownOutput();
                return Action.SUCCEEDED;
            }

            @Override
            protected void onSuccess() {
                release();
            }

            @Override
            protected void onCompleteSuccess() {
                finished();
            }

            @Override
            protected void onCompleteFailure(Throwable cause) {
                release();
                end(Optional.of(cause));
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
