package dev.wrenn.base;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A named thread that lives until it is closed: the only place besides {@link Forks} where threads
 * start.
 *
 * <p>A loop is an edge: what its body throws is logged here, whole, and a periodic body is called
 * again at the next period.
 */
public final class Loop implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(Loop.class);
    private static final Duration JOIN_LIMIT = Duration.ofSeconds(10);

    private final Thread thread;
    private final CountDownLatch stop = new CountDownLatch(1);

    private Loop(String name, boolean nativeCalls, Runnable body) {
        Runnable guarded = () -> run(name, body);
        this.thread =
                nativeCalls
                        ? Thread.ofPlatform().name(name).daemon(true).unstarted(guarded)
                        : Thread.ofVirtual().name(name).unstarted(guarded);
    }

    /** Runs the body once on a virtual thread. */
    public static Loop once(String name, Runnable body) {
        var loop = new Loop(name, false, body);
        loop.thread.start();
        return loop;
    }

    /** Runs the body once on a platform thread; for bodies that block in native calls. */
    public static Loop onPlatformThread(String name, Runnable body) {
        var loop = new Loop(name, true, body);
        loop.thread.start();
        return loop;
    }

    /** Calls the body again and again on a virtual thread, with that pause between two calls. */
    public static Loop every(String name, Duration period, Runnable body) {
        var self = new Loop[1];
        var loop =
                new Loop(
                        name,
                        false,
                        () -> {
                            while (!self[0].isStopping(period)) {
                                LoopBody.call(name, body);
                            }
                        });
        self[0] = loop;
        loop.thread.start();
        return loop;
    }

    /** Waits for the thread to end by itself. */
    public boolean join(Duration limit) {
        try {
            return thread.join(limit);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /** Asks the loop to end, interrupts it and waits; safe to call from the loop itself. */
    @Override
    public void close() {
        stop.countDown();
        if (Thread.currentThread() == thread) {
            return;
        }
        thread.interrupt();
        if (!join(JOIN_LIMIT)) {
            LOG.atWarn().addKeyValue("thread", thread.getName()).log("thread does not end");
        }
    }

    private boolean isStopping(Duration wait) {
        try {
            return stop.await(wait.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException _) {
            return true;
        }
    }

    private static void run(String name, Runnable body) {
        LoopBody.call(name, body);
    }

    /** Keeps the one catch-all of the product in one place. */
    private static final class LoopBody {
        static void call(String name, Runnable body) {
            try {
                body.run();
            } catch (RuntimeException e) {
                LOG.atError().setCause(e).addKeyValue("thread", name).log("loop body failed");
            }
        }
    }
}
