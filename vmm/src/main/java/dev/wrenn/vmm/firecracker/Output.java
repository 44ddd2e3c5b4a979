package dev.wrenn.vmm.firecracker;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.wrenn.base.Resource;
import dev.wrenn.linux.Fifo;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * The last of what came through a pipe, made safe to log: bounded, and without control characters.
 * Thread-safe.
 */
final class Output implements Resource {
    private static final int KEPT_CHARS = 8 * 1024;

    private final Fifo fifo;

    @GuardedBy("this")
    private String kept = "";

    @GuardedBy("this")
    private boolean isClosed;

    private Output(Fifo fifo) {
        this.fifo = fifo;
    }

    static Output create(Path path) {
        return new Output(Fifo.create(path));
    }

    static Output open(Path path) {
        return new Output(Fifo.open(path));
    }

    /** Empties the pipe, unless it is closed, and returns the end of all that ever came. */
    synchronized String read() {
        if (isClosed) {
            return kept;
        }
        var text =
                new String(fifo.drain(), StandardCharsets.UTF_8)
                        .replaceAll("[\\p{Cntrl}&&[^\n]]", "");
        var all = kept + text;
        kept = all.substring(Math.max(0, all.length() - KEPT_CHARS));
        return kept;
    }

    @Override
    public synchronized void close() {
        isClosed = true;
        fifo.close();
    }
}
