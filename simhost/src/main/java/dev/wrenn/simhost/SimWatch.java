package dev.wrenn.simhost;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.FileChange;
import dev.wrenn.contract.guest.FileWatch;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/** Changes on their way to one reader; if it falls too far behind, the watch fails. */
final class SimWatch implements FileWatch {
    private static final int KEPT_CHANGES = 16_384; // as many as the kernel of a real guest

    private final Path root;
    private final boolean recursive;
    private final FailPoints failPoints;
    private final Consumer<SimWatch> onClose;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Deque<FileChange> waiting = new ArrayDeque<>(); // guarded by lock
    private Optional<WrennException> failure = Optional.empty(); // guarded by lock
    private boolean over; // guarded by lock

    SimWatch(Path root, boolean recursive, FailPoints failPoints, Consumer<SimWatch> onClose) {
        this.root = root;
        this.recursive = recursive;
        this.failPoints = failPoints;
        this.onClose = onClose;
    }

    /** Something happened to a path, which may not concern this watch. */
    void tell(FileChange.Kind kind, Path path) {
        if (!path.startsWith(root)) {
            return;
        }
        var name = root.relativize(path);
        if (!recursive && name.getNameCount() > 1) {
            return;
        }
        lock.lock();
        try {
            if (over || failure.isPresent()) {
                return;
            }
            failPoints.pass(FailPoint.TELL_CHANGE);
            if (waiting.size() >= KEPT_CHANGES) {
                throw new WrennException(Kind.EXHAUSTED, "there were too many changes at once");
            }
            waiting.add(new FileChange(kind, path.equals(root) ? "." : name.toString()));
        } catch (WrennException e) {
            failure = Optional.of(e);
        } finally {
            changed.signalAll();
            lock.unlock();
        }
    }

    /** Ends it; the reader gets the reason. */
    void fail(WrennException reason) {
        lock.lock();
        try {
            failure = Optional.of(reason);
            waiting.clear();
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public Optional<FileChange> next() {
        lock.lock();
        try {
            while (waiting.isEmpty() && !over && failure.isEmpty()) {
                changed.await();
            }
            if (waiting.isEmpty() && failure.isPresent()) {
                throw failure.get();
            }
            return Optional.ofNullable(waiting.poll());
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new WrennException(Kind.UNAVAILABLE, "waiting for a change was interrupted");
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
