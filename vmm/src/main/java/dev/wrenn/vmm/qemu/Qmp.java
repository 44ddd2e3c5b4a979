package dev.wrenn.vmm.qemu;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.DeadlinePassed;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.vmm.LastWords;
import dev.wrenn.vmm.VmmFailed;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * QEMU's monitor protocol over one connection (QEMU docs/interop/qmp-spec.txt).
 *
 * <p>A virtual thread reads; it matches answers to calls by id and hands events to the listener.
 * Another one writes, because a thread that is interrupted while it writes to a channel closes it
 * (java.nio.channels.InterruptibleChannel), and callers may be interrupted: giving up one call must
 * not cost the VM its monitor. Calls may be sent without waiting for the ones before: QEMU works
 * them off in order. When the connection ends, whatever waits fails at once with {@link QmpClosed}.
 * Thread-safe.
 */
final class Qmp implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(Qmp.class);
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int READ_BYTES = 16 * 1024;

    private final SocketChannel channel;
    private final Consumer<Event> events;
    private final Runnable closed;
    private final AtomicLong lastId = new AtomicLong();
    private final Map<Long, Waiting> replies = new ConcurrentHashMap<>();
    private final Set<Waiting> expected = ConcurrentHashMap.newKeySet();
    private final BlockingQueue<Line> lines = new LinkedBlockingQueue<>();
    private final Loop reader;
    private volatile boolean isClosed; // written by the reader before it fails what waits

    /**
     * @param channel blocking and connected, from now on owned by this object
     * @param events told every event, on the reading thread
     * @param closed told once that nothing will come any more, on the reading thread
     */
    Qmp(String name, SocketChannel channel, Consumer<Event> events, Runnable closed) {
        this.channel = channel;
        this.events = events;
        this.closed = closed;
        Loop.once("qmp writer " + name, this::write); // ends when the reader has
        this.reader = Loop.once("qmp " + name, this::read);
    }

    /** A command on its way; the one without a reply ends the writer. */
    private record Line(ByteBuffer bytes, Optional<Waiting> reply) {
        static final Line LAST = new Line(ByteBuffer.allocate(0), Optional.empty());
    }

    /** Something that QEMU tells unasked. */
    record Event(String name, JsonNode data) {}

    /** The connection to the monitor has ended. */
    static final class QmpClosed extends WrennException {
        private static final long serialVersionUID = 1L;

        QmpClosed(String attempt) {
            super(Kind.UNAVAILABLE, attempt + ": the monitor has gone");
        }
    }

    /** Something that is waited for, by one thread. */
    final class Waiting {
        private final String attempt;
        private final Predicate<Event> condition; // of an event; never met by a reply
        private final CompletableFuture<JsonNode> slot = new CompletableFuture<>();

        private Waiting(String attempt, Predicate<Event> condition) {
            this.attempt = attempt;
            this.condition = condition;
        }

        /**
         * Waits for it.
         *
         * @throws QmpClosed at once when the connection ends
         * @throws VmmFailed if QEMU answers with an error
         */
        JsonNode await(Deadline deadline) {
            try {
                return slot.get(Math.max(1, deadline.left().toNanos()), TimeUnit.NANOSECONDS);
            } catch (TimeoutException _) {
                throw new DeadlinePassed(attempt, deadline.limit());
            } catch (InterruptedException _) {
                Thread.currentThread().interrupt();
                throw new WrennException(Kind.UNAVAILABLE, attempt + " was interrupted");
            } catch (ExecutionException e) {
                if (e.getCause() instanceof LastWords words) {
                    throw new VmmFailed(Kind.UNAVAILABLE, attempt, words);
                }
                throw new QmpClosed(attempt);
            } finally {
                expected.remove(this);
            }
        }

        private void fail() {
            slot.completeExceptionally(new EOFException());
        }
    }

    /** Sends a command and waits for its answer. */
    JsonNode execute(
            String attempt, String command, Map<String, Object> arguments, Deadline deadline) {
        return send(attempt, command, arguments).await(deadline);
    }

    /** Sends a command. */
    Waiting send(String attempt, String command, Map<String, Object> arguments) {
        var id = lastId.incrementAndGet();
        var reply = new Waiting(attempt, _ -> false);
        replies.put(id, reply);
        if (isClosed) {
            reply.fail();
            return reply;
        }
        try {
            var request = Map.of("execute", command, "arguments", arguments, "id", id);
            var line = JSON.writeValueAsString(request) + "\n";
            var bytes = ByteBuffer.wrap(line.getBytes(StandardCharsets.UTF_8));
            lines.add(new Line(bytes, Optional.of(reply)));
        } catch (JsonProcessingException e) {
            throw new WrennException(Kind.BUG, "cannot write " + command, e);
        }
        return reply;
    }

    private void write() {
        try {
            for (var line = lines.take(); line.reply().isPresent(); line = lines.take()) {
                write(line.bytes(), line.reply().get());
            }
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt(); // nobody does, but then it is the end too
        }
    }

    private void write(ByteBuffer bytes, Waiting reply) {
        try {
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        } catch (IOException _) {
            reply.fail(); // the reader finds the connection closed as well
        }
    }

    /** Waits from now on for the first event that meets the condition. */
    Waiting expect(String attempt, Predicate<Event> condition) {
        var waiting = new Waiting(attempt, condition);
        expected.add(waiting);
        if (isClosed) {
            waiting.fail();
        }
        return waiting;
    }

    /** Ends the connection; QEMU goes on and takes a new one. */
    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            LOG.atWarn().setCause(e).log("cannot close a monitor connection");
        }
        reader.close();
    }

    private void read() {
        var lines = new QmpLines();
        var buffer = ByteBuffer.allocate(READ_BYTES);
        try {
            while (channel.read(buffer) >= 0) {
                for (var line : lines.feed(buffer.flip())) {
                    take(JSON.readTree(line));
                }
                buffer.clear();
            }
        } catch (QmpLines.LineTooLong | JsonProcessingException e) {
            LOG.atError().setCause(e).log("monitor speaks no sense");
        } catch (IOException e) {
            LOG.atDebug().setCause(e).log("monitor connection ended");
        } finally {
            end();
        }
    }

    private void end() {
        isClosed = true;
        try {
            channel.close();
        } catch (IOException e) {
            LOG.atWarn().setCause(e).log("cannot close a monitor connection");
        }
        replies.values().forEach(Waiting::fail);
        expected.forEach(Waiting::fail);
        lines.add(Line.LAST);
        closed.run();
    }

    private void take(JsonNode message) {
        if (message.has("event")) {
            var event = new Event(message.path("event").asText(), message.path("data"));
            expected.stream()
                    .filter(waiting -> waiting.condition.test(event))
                    .forEach(waiting -> waiting.slot.complete(event.data));
            events.accept(event);
            return;
        }
        var reply = replies.remove(message.path("id").asLong());
        if (reply == null) {
            return; // the greeting
        }
        if (message.has("error")) {
            reply.slot.completeExceptionally(
                    new LastWords(message.path("error").path("desc").asText()));
        } else {
            reply.slot.complete(message.path("return"));
        }
    }
}
