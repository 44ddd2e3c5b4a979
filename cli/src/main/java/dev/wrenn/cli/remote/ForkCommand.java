package dev.wrenn.cli.remote;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Starts capsules from the state of another one. */
@Command(
        name = "fork",
        description = "Starts new capsules from a state of another one and prints their ids.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Each has the processes, memory and files of that moment, and its own from there on.",
            "Exit code 1 if not all of them could be started."
        })
final class ForkCommand implements Callable<Integer> {
    @Mixin private RemoteOptions options = new RemoteOptions();

    @Option(
            names = {"-c", "--count"},
            paramLabel = "N",
            description = "How many, up to 100. Default: 1",
            defaultValue = "1")
    private int count;

    @Option(
            names = "--checkpoint",
            paramLabel = "CHECKPOINT",
            description = "Start from that one. Default: the present state")
    private @Nullable String checkpoint;

    @Option(
            names = "--timeout",
            paramLabel = "TIME",
            description =
                    "Pause each after that long without activity, such as 90s, 5m or 1h30m."
                            + " Default: that of the parent")
    private @Nullable String timeout;

    @Parameters(paramLabel = "ID", description = "Id of the capsule")
    private String id = "";

    @Override
    public Integer call() {
        var order = new LinkedHashMap<String, Object>();
        order.put("count", count);
        Optional.ofNullable(checkpoint).ifPresent(c -> order.put("checkpoint", c));
        Optional.ofNullable(timeout)
                .ifPresent(t -> order.put("timeout_sec", Words.duration(t).toSeconds()));
        try (var api = options.connect()) {
            var made =
                    api.post(
                            CapsuleCommand.path(id) + "/fork",
                            order,
                            CapsuleCommand.LIFECYCLE_LIMIT);
            var ids = new ArrayList<String>();
            int refused = 0;
            for (var fork : made.path("forks")) {
                if (fork.has("error")) {
                    refused++;
                    System.err.println(
                            "wrenn: not started: " + fork.path("error").path("message").asText());
                } else {
                    ids.add(fork.path("capsule").path("id").asText());
                }
            }
            options.print(made, ids);
            return refused == 0 ? 0 : 1;
        }
    }
}
