package dev.wrenn.simhost;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/** What tests have arranged to go wrong. Thread-safe; a point that nobody set up lets pass. */
public final class FailPoints {
    private final Map<FailPoint, Runnable> effects = new ConcurrentHashMap<>();

    FailPoints() {}

    /** Fails there every time, until {@link #clear}. */
    public void fail(FailPoint point, Kind kind, String shownMessage) {
        effects.put(
                point,
                () -> {
                    throw new WrennException(kind, shownMessage);
                });
    }

    /** Fails there the next time only. */
    public void failOnce(FailPoint point, Kind kind, String shownMessage) {
        var spent = new AtomicBoolean();
        effects.put(
                point,
                () -> {
                    if (spent.compareAndSet(false, true)) {
                        throw new WrennException(kind, shownMessage);
                    }
                });
    }

    /** Holds up whoever comes there until the gate is closed; closing it also clears the point. */
    public Gate block(FailPoint point) {
        var gate = new Gate(() -> effects.remove(point));
        effects.put(point, gate::pass);
        return gate;
    }

    /** Lets pass again. */
    public void clear(FailPoint point) {
        effects.remove(point);
    }

    void pass(FailPoint point) {
        var effect = effects.get(point);
        if (effect != null) {
            effect.run();
        }
    }

    /** Holds up an operation; opened by closing it. */
    public static final class Gate implements Resource {
        private static final Duration LIMIT = Duration.ofSeconds(60);

        private final CountDownLatch reached = new CountDownLatch(1);
        private final CountDownLatch open = new CountDownLatch(1);
        private final Runnable whenOpened;

        private Gate(Runnable whenOpened) {
            this.whenOpened = whenOpened;
        }

        /** Waits until somebody is held up. */
        public void awaitReached() {
            await(reached, "nobody came to the gate");
        }

        private void pass() {
            reached.countDown();
            await(open, "the gate was never opened");
        }

        private static void await(CountDownLatch latch, String otherwise) {
            try {
                if (!latch.await(LIMIT.toSeconds(), TimeUnit.SECONDS)) {
                    throw new WrennException(
                            Kind.BUG, otherwise + " within " + LIMIT.toSeconds() + " s");
                }
            } catch (InterruptedException _) {
                Thread.currentThread().interrupt();
                throw new WrennException(Kind.UNAVAILABLE, "waiting at a gate was interrupted");
            }
        }

        /** Lets everybody pass. */
        public void open() {
            whenOpened.run();
            open.countDown();
        }

        @Override
        public void close() {
            open();
        }
    }
}
