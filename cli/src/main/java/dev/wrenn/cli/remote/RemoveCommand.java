package dev.wrenn.cli.remote;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Ends capsules for good. */
@Command(
        name = "rm",
        description = "Destroys capsules with all that is in them.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "All that are named are tried; the exit code is that of the first failure.",
            "",
            "Example: wrenn capsule rm $id"
        })
final class RemoveCommand implements Callable<Integer> {
    @Mixin private RemoteOptions options = new RemoteOptions();

    @Option(names = "--all", description = "Every capsule of the team")
    private boolean all;

    @Parameters(paramLabel = "ID", arity = "0..*", description = "Ids of capsules")
    private List<String> ids = List.of();

    @Override
    public Integer call() {
        try (var api = options.connect()) {
            var doomed = new ArrayList<>(ids);
            if (all) {
                for (var capsule : api.get("/v1/capsules", CapsuleCommand.LIMIT)) {
                    doomed.add(capsule.path("id").asText());
                }
            } else if (doomed.isEmpty()) {
                throw new WrennException(Kind.INVALID, "name the capsules to destroy, or --all");
            }
            return options.eachOf(
                    doomed,
                    id -> api.delete(CapsuleCommand.path(id), CapsuleCommand.LIFECYCLE_LIMIT),
                    "destroyed");
        }
    }
}
