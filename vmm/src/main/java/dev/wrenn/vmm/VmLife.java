package dev.wrenn.vmm;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Whether a VM still is its object's, and how it came to its end: what every driver must tell in
 * the same way. Thread-safe.
 */
public final class VmLife {
    private static final Logger LOG = LoggerFactory.getLogger(VmLife.class);

    private final String name;
    private final CompletableFuture<VmEnd> end = new CompletableFuture<>();
    private final Object lock = new Object();

    @GuardedBy("lock")
    private final List<Consumer<VmEnd>> listeners = new ArrayList<>();

    @GuardedBy("lock")
    private boolean ours = true;

    /** Of the VM with that name. */
    public VmLife(String name) {
        this.name = name;
    }

    /** Gives the VM up, to close or to detach it; true for the first who does. */
    public boolean leave() {
        synchronized (lock) {
            var wasOurs = ours;
            ours = false;
            return wasOurs;
        }
    }

    /** Whether nobody has given it up. */
    public boolean isOurs() {
        synchronized (lock) {
            return ours;
        }
    }

    /** Whether it has ended and it is known how. */
    public boolean hasEnded() {
        return end.isDone();
    }

    /** As {@link Vm#onEnd}. */
    public void onEnd(Consumer<VmEnd> listener) {
        synchronized (lock) {
            if (!end.isDone()) {
                listeners.add(listener);
                return;
            }
        }
        listener.accept(end.join());
    }

    /** It has ended like this; told to the listeners unless somebody gave it up. */
    public void settle(VmEnd result) {
        List<Consumer<VmEnd>> told;
        synchronized (lock) {
            if (!end.complete(result)) {
                return;
            }
            told = ours ? List.copyOf(listeners) : List.of();
            listeners.clear();
        }
        LOG.atInfo()
                .addKeyValue("vm", name)
                .addKeyValue("cause", result.cause())
                .addKeyValue("output", result.lastOutput())
                .log("vm ended");
        told.forEach(listener -> listener.accept(result));
    }

    /**
     * What to throw when the VMM has gone during that attempt.
     *
     * @param limit how long the end may take to be known
     * @return empty if it is not known in time
     */
    public Optional<VmDied> died(String attempt, Duration limit) {
        if (!isOurs()) {
            return Optional.of(
                    new VmDied(attempt, new VmEnd(VmEnd.Cause.VMM, "closed by this process")));
        }
        try {
            return Optional.of(
                    new VmDied(attempt, end.get(limit.toMillis(), TimeUnit.MILLISECONDS)));
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            return Optional.empty();
        } catch (ExecutionException | TimeoutException _) {
            return Optional.empty();
        }
    }
}
