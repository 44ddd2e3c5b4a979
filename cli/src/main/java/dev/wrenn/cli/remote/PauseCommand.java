package dev.wrenn.cli.remote;

import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Saves capsules. */
@Command(
        name = "pause",
        description = "Saves capsules and ends their virtual machines.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "All that are named are tried; the exit code is that of the first failure.",
            "",
            "Example: wrenn capsule pause $id"
        })
final class PauseCommand implements Callable<Integer> {
    @Mixin private RemoteOptions options = new RemoteOptions();

    @Parameters(paramLabel = "ID", arity = "1..*", description = "Ids of capsules")
    private List<String> ids = List.of();

    @Override
    public Integer call() {
        try (var api = options.connect()) {
            return options.eachOf(ids, CapsuleCommand.step(api, "pause"), "paused");
        }
    }
}
