package dev.wrenn.simhost;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.ProcessEvent;
import dev.wrenn.contract.guest.ProcessStream;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/** Events on their way from one process to one reader; a full one holds the process up. */
final class SimStream implements ProcessStream {
    private static final int WAITING_EVENTS = 64;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Deque<ProcessEvent> waiting = new ArrayDeque<>(); // guarded by lock
    private final Consumer<SimStream> onClose;
    private Optional<WrennException> failure = Optional.empty(); // guarded by lock
    private boolean over; // guarded by lock

    SimStream(Consumer<SimStream> onClose) {
        this.onClose = onClose;
    }

    /** Waits for room, unless nobody reads any more. */
    void put(ProcessEvent event) {
        lock.lock();
        try {
            while (waiting.size() >= WAITING_EVENTS && !over) {
                changed.await();
            }
            if (!over) {
                waiting.add(event);
                changed.signalAll();
            }
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        } finally {
            lock.unlock();
        }
    }

    /** Ends it; the reader gets the reason instead of what was still waiting. */
    void fail(WrennException reason) {
        lock.lock();
        try {
            failure = Optional.of(reason);
            over = true;
            waiting.clear();
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public Optional<ProcessEvent> next() {
        lock.lock();
        try {
            while (waiting.isEmpty() && !over) {
                changed.await();
            }
            if (failure.isPresent()) {
                throw failure.get();
            }
            var event = Optional.ofNullable(waiting.poll());
            if (event.isPresent() && event.get() instanceof ProcessEvent.Ended) {
                over = true;
            }
            changed.signalAll();
            return event;
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new WrennException(Kind.UNAVAILABLE, "waiting for a process was interrupted");
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void close() {
        lock.lock();
        try {
            over = true;
            waiting.clear();
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        onClose.accept(this);
    }
}
