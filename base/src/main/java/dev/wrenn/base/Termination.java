package dev.wrenn.base;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.IntSupplier;

/** Lets a program end in its own order when it is asked to by a signal. */
public final class Termination {
    private Termination() {}

    /**
     * Runs the body of a program on the calling thread. SIGTERM, SIGINT and SIGHUP interrupt that
     * thread; the process then ends with the exit code that the body returns, or with 1 if it takes
     * longer than the limit to return.
     *
     * @param limit how long the body may take to end once it was interrupted
     * @param body returns the exit code; it prints its own failures
     */
    public static int run(Duration limit, IntSupplier body) {
        var main = Thread.currentThread();
        var exitCode = new CompletableFuture<Integer>();
        var hook =
                Thread.ofPlatform()
                        .name("termination")
                        .unstarted(() -> {
                            main.interrupt();
                            // Not exit(): we are its hook already. A JVM that ends by a
                            // signal would report the signal, however well it ended.
                            Runtime.getRuntime().halt(await(exitCode, limit));
                        });
        Runtime.getRuntime().addShutdownHook(hook);
        int code = 1;
        try {
            code = body.getAsInt();
        } finally {
            exitCode.complete(code);
            remove(hook);
        }
        return code;
    }

    private static void remove(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException _) {
            // The hook runs already and is about to end the process.
        }
    }

    private static int await(CompletableFuture<Integer> exitCode, Duration limit) {
        try {
            return exitCode.get(limit.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException | ExecutionException | TimeoutException _) {
            return 1;
        }
    }
}
