package dev.wrenn.base;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Owns what an operation has acquired so far; closing it gives everything back, newest first.
 *
 * <p>On success {@link #handOver()} moves the content into a new stack, which then is the teardown
 * of whatever was built. Not thread-safe: one operation owns it.
 */
public final class UndoStack implements Resource {
    private Deque<Resource> held = new ArrayDeque<>();

    /** Takes ownership of a resource. */
    public <R extends Resource> R hold(R resource) {
        held.push(resource);
        return resource;
    }

    /** Registers a step that undoes something which is no resource of its own. */
    public void undo(Resource step) {
        held.push(step);
    }

    /** Moves everything held to a new stack and leaves this one empty. */
    public UndoStack handOver() {
        var heir = new UndoStack();
        heir.held = held;
        held = new ArrayDeque<>();
        return heir;
    }

    /**
     * Gives everything back, newest first, all of it even if some steps fail. An interruption ends
     * the work that owned it, but not this.
     *
     * @throws WrennException the first failure, with the later ones suppressed
     */
    @Override
    public void close() {
        boolean wasInterrupted = Thread.interrupted();
        RuntimeException first = null;
        while (!held.isEmpty()) {
            try {
                held.pop().close();
            } catch (RuntimeException e) {
                if (first == null) {
                    first = e;
                } else {
                    first.addSuppressed(e);
                }
            }
        }
        if (wasInterrupted) {
            Thread.currentThread().interrupt();
        }
        if (first != null) {
            throw first;
        }
    }
}
