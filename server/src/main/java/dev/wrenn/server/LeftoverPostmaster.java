package dev.wrenn.server;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Pause;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Ends a postmaster that still runs on a cluster although nobody uses it any more. */
final class LeftoverPostmaster {
    private static final Logger LOG = LoggerFactory.getLogger(LeftoverPostmaster.class);
    private static final Duration LIMIT = Duration.ofSeconds(30);
    private static final Duration INTERVAL = Duration.ofMillis(20);

    private LeftoverPostmaster() {}

    /**
     * Looks into {@code postmaster.pid}: its first line is the pid, its second the data folder. A
     * process of that pid that has another folder is not ours and is left alone.
     */
    static void end(Path cluster) throws IOException {
        var file = cluster.resolve("postmaster.pid");
        if (!Files.exists(file)) {
            return;
        }
        var lines = Files.readAllLines(file);
        long pid = lines.isEmpty() ? 0 : Long.parseLong(lines.getFirst().strip());
        var process = ProcessHandle.of(pid).filter(ProcessHandle::isAlive);
        if (process.isPresent() && worksIn(pid, cluster)) {
            LOG.atWarn().addKeyValue("pid", pid).log("ending a database that was left running");
            // SIGTERM is its smart shutdown: our earlier process is gone, so no client holds it up.
            process.get().destroy();
            if (!Pause.until(() -> !process.get().isAlive(), INTERVAL, Deadline.after(LIMIT))) {
                throw new WrennException(
                        Kind.UNAVAILABLE,
                        "an earlier database (pid " + pid + ") does not end; end it by hand");
            }
        }
        Files.deleteIfExists(file);
    }

    private static boolean worksIn(long pid, Path cluster) throws IOException {
        var working = Path.of("/proc/" + pid + "/cwd");
        return Files.isDirectory(working) && Files.isSameFile(working, cluster);
    }
}
