package dev.wrenn.snapshot;

import dev.wrenn.base.Forks;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;

/** Does many small pieces of work that mostly wait, several at a time. */
final class SideBySide {
    private static final int WORKERS = 16;
    private static final Duration LIMIT = Duration.ofHours(1); // each request has its own

    private SideBySide() {}

    /** Returns when all is done; the first failure ends it. */
    static <T> void run(String name, Collection<T> pieces, Consumer<T> work) {
        var waiting = new ConcurrentLinkedQueue<>(pieces);
        try (var forks = new Forks()) {
            var workers = new ArrayList<Forks.Fork<Integer>>();
            for (int i = 0; i < Math.min(WORKERS, pieces.size()); i++) {
                workers.add(forks.start(name, () -> drain(waiting, work)));
            }
            workers.forEach(w -> w.take(LIMIT));
        }
    }

    private static <T> Integer drain(ConcurrentLinkedQueue<T> waiting, Consumer<T> work) {
        int done = 0;
        for (var piece = waiting.poll(); piece != null; piece = waiting.poll()) {
            work.accept(piece);
            done++;
        }
        return done;
    }
}
