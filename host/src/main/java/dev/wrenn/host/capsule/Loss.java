package dev.wrenn.host.capsule;

import dev.wrenn.base.WrennException;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * How a run loses its VM or its pages: the first report counts and is never missed, whether it
 * comes before or after somebody listens. Thread-safe.
 */
final class Loss {
    private final CompletableFuture<WrennException> first = new CompletableFuture<>();

    /** Tells of it; a run is lost once, so later reports are dropped. */
    void report(WrennException why) {
        first.complete(why);
    }

    /** Calls the listener once, at once if the run is lost already, from any thread. */
    void onReport(Consumer<WrennException> listener) {
        var _ = first.thenAccept(listener);
    }

    /** Completes with the reason; never fails. */
    CompletableFuture<WrennException> reported() {
        return first;
    }

    /** The failure of a start: what the run was lost to, if it was, explains all others. */
    @SuppressWarnings("ReferenceEquality") // a failure must not be suppressed in itself
    RuntimeException explain(RuntimeException failure) {
        var why = first.getNow(null);
        if (why == null || why == failure) {
            return failure;
        }
        why.addSuppressed(failure);
        return why;
    }
}
