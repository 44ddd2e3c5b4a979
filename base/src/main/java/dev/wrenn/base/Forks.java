package dev.wrenn.base;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Runs steps side by side and joins all of them before its block ends.
 *
 * <p>Children whose result nobody took are interrupted when the block is left, and if they produced
 * a {@link Resource} all the same, it is closed: nothing leaks from a race that was lost. Used by
 * one thread, as a try-with-resources block.
 */
public final class Forks implements Resource {
    private final List<Fork<?>> forks = new ArrayList<>();

    /** One running child. */
    public static final class Fork<T> {
        private final String name;
        private final FutureTask<T> task;
        private final Thread thread;
        private boolean taken;

        private Fork(String name, Callable<T> body, Thread.Builder builder) {
            this.name = name;
            this.task = new FutureTask<>(body);
            this.thread = builder.name(name).start(task);
        }

        /**
         * Waits until the child has ended, however, and leaves its result to {@link #take} or to
         * the end of the block.
         *
         * @return whether it ended within the limit
         */
        public boolean await(Duration limit) {
            try {
                return thread.join(limit);
            } catch (InterruptedException _) {
                Thread.currentThread().interrupt();
                return false;
            }
        }

        /**
         * Waits for the child and hands its result to the caller, who owns it from now on.
         *
         * @throws DeadlinePassed if it takes longer than the limit
         * @throws WrennException whatever the child threw, as it is
         */
        public T take(Duration limit) {
            try {
                var result = task.get(Math.max(1, limit.toNanos()), TimeUnit.NANOSECONDS);
                taken = true;
                return result;
            } catch (TimeoutException _) {
                throw new DeadlinePassed(name, limit);
            } catch (InterruptedException _) {
                Thread.currentThread().interrupt();
                throw new WrennException(Kind.UNAVAILABLE, name + " was interrupted");
            } catch (ExecutionException e) {
                taken = true; // there is no result to close
                throw asUnchecked(name, e.getCause());
            }
        }
    }

    /**
     * Runs a step on a thread of its own that outlives the caller: if the caller is interrupted it
     * stops waiting, and the step goes on to its end.
     */
    public static <T> T detached(String name, Callable<T> body) {
        return new Fork<>(name, body, Thread.ofVirtual()).take(Duration.ofDays(1));
    }

    /** Starts a step that nobody waits for; what it throws is logged as a {@link Loop} logs it. */
    public static void background(String name, Runnable body) {
        var _ = Loop.once(name, body);
    }

    /** Starts a child on a virtual thread of that name. */
    public <T> Fork<T> start(String name, Callable<T> body) {
        return add(new Fork<>(name, body, Thread.ofVirtual()));
    }

    /** Starts a child on a platform thread of its own; for native calls that block or stay. */
    public <T> Fork<T> startOnPlatformThread(String name, Callable<T> body) {
        return add(new Fork<>(name, body, Thread.ofPlatform().daemon(true)));
    }

    private <T> Fork<T> add(Fork<T> fork) {
        forks.add(fork);
        return fork;
    }

    @Override
    public void close() {
        for (var fork : forks) {
            if (!fork.taken) {
                fork.thread.interrupt();
            }
        }
        boolean interrupted = false;
        for (var fork : forks) {
            if (fork.taken) {
                continue;
            }
            while (true) {
                try {
                    if (fork.task.get() instanceof Resource abandoned) {
                        abandoned.close();
                    }
                    break;
                } catch (ExecutionException _) {
                    break; // the child failed too: the failure that ended the block is the one
                    // shown
                } catch (InterruptedException _) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static RuntimeException asUnchecked(String name, @Nullable Throwable cause) {
        return switch (cause) {
            case null -> new WrennException(Kind.BUG, name + " failed without a cause");
            case Error e -> throw e;
            case RuntimeException e -> e;
            default -> new WrennException(Kind.BUG, name + " failed", cause);
        };
    }
}
