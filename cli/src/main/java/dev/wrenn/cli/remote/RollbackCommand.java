package dev.wrenn.cli.remote;

import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Brings a capsule back to a saved state. */
@Command(
        name = "rollback",
        description = "Lets a capsule go on from one of its checkpoints.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "The present state of a running capsule is saved first: `wrenn capsule checkpoints` shows"
                    + " it, and it can be gone back to as well. A paused capsule stays paused."
        })
final class RollbackCommand implements Runnable {
    @Mixin private RemoteOptions options = new RemoteOptions();

    @Parameters(index = "0", paramLabel = "ID", description = "Id of the capsule")
    private String id = "";

    @Parameters(index = "1", paramLabel = "CHECKPOINT", description = "Id of the checkpoint")
    private String checkpoint = "";

    @Override
    public void run() {
        try (var api = options.connect()) {
            var capsule =
                    api.post(
                            CapsuleCommand.path(id) + "/rollback",
                            Map.of("checkpoint", checkpoint),
                            CapsuleCommand.LIFECYCLE_LIMIT);
            options.print(capsule, List.of(id + " " + capsule.path("status").asText()));
        }
    }
}
