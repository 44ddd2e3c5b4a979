package dev.wrenn.cli.remote;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Saves a capsule while it goes on. */
@Command(
        name = "checkpoint",
        description = "Saves the state of a capsule and prints the checkpoint's id.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "A running capsule goes on running. The state of a paused one is saved already and only"
                    + " gets the name.",
            "Example: wrenn capsule checkpoint --name 'before the upgrade' $id"
        })
final class CheckpointCommand implements Runnable {
    @Mixin private RemoteOptions options = new RemoteOptions();

    @Option(
            names = {"-n", "--name"},
            paramLabel = "NAME",
            description =
                    "Keeps it until it is deleted. Without one it stays while it is among the newest")
    private @Nullable String name;

    @Parameters(paramLabel = "ID", description = "Id of the capsule")
    private String id = "";

    @Override
    public void run() {
        var order = new LinkedHashMap<String, Object>();
        Optional.ofNullable(name).ifPresent(n -> order.put("name", n));
        try (var api = options.connect()) {
            var made =
                    api.post(
                            CapsuleCommand.path(id) + "/checkpoints",
                            order,
                            CapsuleCommand.LIFECYCLE_LIMIT);
            options.print(made, List.of(made.path("id").asText()));
        }
    }
}
