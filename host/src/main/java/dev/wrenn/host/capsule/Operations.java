package dev.wrenn.host.capsule;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.WrennException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Works off the operations of one capsule, one after the other, on a virtual thread of its own.
 *
 * <p>Each runs to its end whether or not its caller still waits, and each caller gets an answer:
 * also those whose turn never comes because the capsule is gone by then. Thread-safe.
 */
final class Operations implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(Operations.class);
    private static final int WAITING_LIMIT = 32;

    private final String capsule;
    private final BlockingQueue<Operation> waiting = new LinkedBlockingQueue<>();
    private final Object lock = new Object();
    private final Loop thread;

    @GuardedBy("lock")
    private boolean hasEnded;

    private volatile boolean ending; // set on the thread by an operation, or by close

    private record Operation(
            String name, Runnable work, Runnable afterwards, CompletableFuture<Boolean> done) {}

    Operations(String capsule) {
        this.capsule = capsule;
        this.thread = Loop.once("capsule-" + capsule, this::drive);
    }

    /**
     * Waits its turn, does the work, and returns.
     *
     * @param afterwards done once the caller has its answer, before the next operation
     * @throws WrennException what the work threw; UNAVAILABLE if too many wait already, or if the
     *     caller was interrupted, which does not stop the work
     */
    void call(String name, Runnable work, Runnable afterwards) {
        var operation = new Operation(name, work, afterwards, new CompletableFuture<>());
        if (waiting.size() >= WAITING_LIMIT) {
            throw CapsuleRefusal.busy(capsule);
        }
        add(operation);
        try {
            operation.done().get();
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new WrennException(
                    Kind.UNAVAILABLE, "stopped waiting; the capsule's operation goes on");
        } catch (ExecutionException e) {
            if (e.getCause() instanceof WrennException failure) {
                throw failure;
            }
            throw new WrennException(Kind.BUG, name + " failed", e.getCause());
        }
    }

    /** Something of our own that nobody waits for; it is never refused. */
    void add(String name, Runnable work) {
        add(new Operation(name, work, () -> {}, new CompletableFuture<>()));
    }

    private void add(Operation operation) {
        synchronized (lock) {
            if (hasEnded) {
                operation.done().completeExceptionally(CapsuleRefusal.unknown(capsule));
            } else {
                waiting.add(operation);
            }
        }
    }

    /** Called by an operation: it is the last one. */
    void end() {
        ending = true;
    }

    private void drive() {
        try {
            while (!ending) {
                perform(waiting.take());
            }
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt(); // closed
        }
        synchronized (lock) {
            hasEnded = true;
            waiting.forEach(
                    late -> late.done().completeExceptionally(CapsuleRefusal.unknown(capsule)));
            waiting.clear();
        }
    }

    private void perform(Operation operation) {
        var watch = Stopwatch.start();
        try {
            operation.work().run();
            operation.done().complete(true);
            LOG.atInfo()
                    .addKeyValue("capsule", capsule)
                    .addKeyValue("operation", operation.name())
                    .addKeyValue("took_ms", watch.elapsed().toMillis())
                    .log("capsule operation done");
            operation.afterwards().run();
        } catch (RuntimeException | Error e) {
            // Error: a capsule whose thread has died could not even be destroyed.
            operation.done().completeExceptionally(e);
            LOG.atWarn()
                    .setCause(e)
                    .addKeyValue("capsule", capsule)
                    .addKeyValue("operation", operation.name())
                    .log("capsule operation failed");
        }
    }

    /** Interrupts what is going on and waits for it to end; the capsule stays as it is. */
    @Override
    public void close() {
        ending = true;
        thread.close();
    }
}
