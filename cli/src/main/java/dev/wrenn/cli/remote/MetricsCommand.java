package dev.wrenn.cli.remote;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Pause;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.client.ApiClient;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** What a capsule used. */
@Command(
        name = "metrics",
        description = "Shows what a capsule used: processor, memory, disk.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "CPU is the share of all its virtual processors, MEMORY what its virtual machine holds"
                    + " of the host's memory, DISK what only this capsule takes on the host's disk."
        })
final class MetricsCommand implements Callable<Integer> {
    private static final Duration INTERVAL = Duration.ofSeconds(1);

    @Mixin private RemoteOptions options = new RemoteOptions();

    @Option(
            names = "--range",
            paramLabel = "RANGE",
            defaultValue = "10m",
            description = "5m, 10m, 1h, 2h, 6h, 12h or 24h. Default: ${DEFAULT-VALUE}")
    private String range = "10m";

    @Option(names = "--points", description = "Every measurement instead of a summary")
    private boolean points;

    @Option(
            names = {"-w", "--watch"},
            description = "A line for each second from now on, until interrupted")
    private boolean watch;

    @Parameters(paramLabel = "ID", description = "Id of the capsule")
    private String id = "";

    @Override
    public Integer call() {
        try (var api = options.connect()) {
            if (watch) {
                watch(api);
                return 0;
            }
            var metrics = api.get(path(range), CapsuleCommand.LIMIT);
            options.print(
                    metrics,
                    points
                            ? MetricsReport.table(metrics)
                            : MetricsReport.summary(metrics, Curve.on(System.out.charset())));
        }
        return 0;
    }

    /** Ends with an interrupt, or by the failure of a capsule that is gone. */
    private void watch(ApiClient api) {
        if (!options.isJson()) {
            System.out.println(MetricsWatch.head());
        }
        var seen = new MetricsWatch();
        try {
            while (true) {
                showNext(api, seen);
            }
        } catch (WrennException e) {
            if (!Thread.currentThread().isInterrupted()) {
                throw e;
            }
        }
    }

    private void showNext(ApiClient api, MetricsWatch seen) {
        for (var second : seen.next(api.get(path("5m"), CapsuleCommand.LIMIT))) {
            options.print(second.json(), List.of(second.line()));
        }
        var _ = Pause.until(() -> false, INTERVAL, Deadline.after(INTERVAL));
    }

    private String path(String asked) {
        return CapsuleCommand.path(id) + "/metrics?range=" + ApiClient.escaped(asked);
    }
}
