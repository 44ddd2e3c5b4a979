package dev.wrenn.cli;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Pause;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.folder.DataFolder;
import dev.wrenn.cli.folder.ServerRecord;
import dev.wrenn.cli.terminal.TerminalProgress;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Stops the server of a data folder and waits until it has ended. */
@Command(
        name = "down",
        description = "Stops the server; capsules that run are paused, not lost.",
        mixinStandardHelpOptions = true)
final class DownCommand implements Callable<Integer> {
    private static final Duration LOOK_INTERVAL = Duration.ofMillis(50);

    @Mixin private Options options = new Options();

    @Option(
            names = "--wait",
            paramLabel = "SECONDS",
            description = "How long to wait for the end. Default: ${DEFAULT-VALUE}",
            defaultValue = "600")
    private long waitSeconds;

    private record Result(boolean stopped, long pid) {}

    @Override
    public Integer call() {
        var folder = new DataFolder(options.folder(System.getenv()));
        var server = ServerRecord.running(folder.serverRecord());
        if (server.isEmpty()) {
            options.print(
                    new Result(false, 0), List.of("No server runs for " + folder.path() + "."));
            return 0;
        }
        long pid = server.get().pid();
        var process =
                ProcessHandle.of(pid)
                        .orElseThrow(() -> Main.absent("process " + pid + " ended just now"));
        try (var step =
                TerminalProgress.onStandardError()
                        .start("Stopping process %d; what runs is paused".formatted(pid), 0)) {
            if (!process.destroy()) {
                throw new WrennException(
                        Kind.UNAVAILABLE, "process %d cannot be signalled".formatted(pid));
            }
            var deadline = Deadline.after(Duration.ofSeconds(waitSeconds));
            if (!Pause.until(() -> !server.get().process().isAlive(), LOOK_INTERVAL, deadline)) {
                throw new WrennException(
                        Kind.UNAVAILABLE,
                        ("process %d did not end within %d s; it may still be pausing capsules, see"
                                        + " the log in %s")
                                .formatted(pid, waitSeconds, folder.logs()));
            }
            step.done();
        }
        options.print(new Result(true, pid), List.of("Stopped."));
        return 0;
    }
}
