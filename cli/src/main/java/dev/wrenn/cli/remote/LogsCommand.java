package dev.wrenn.cli.remote;

import dev.wrenn.cli.client.ApiClient;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** What a capsule says. */
@Command(
        name = "logs",
        description = "Shows the last lines of a capsule's console, or follows a process in it.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Without PROCESS: what its kernel and guest agent wrote last, while it runs.",
            "With PROCESS, the id or tag of one that was started with `exec --detach`: what it"
                    + " writes from now on, until it ends; the exit code is then the process's.",
            "",
            "Examples:",
            "  wrenn capsule logs $id",
            "  pid=$(wrenn capsule exec --detach $id make) && wrenn capsule logs $id $pid"
        })
final class LogsCommand implements Callable<Integer> {
    @Mixin private RemoteOptions options = new RemoteOptions();

    @Parameters(index = "0", paramLabel = "ID", description = "Id of the capsule")
    private String id = "";

    @Parameters(
            index = "1",
            arity = "0..1",
            paramLabel = "PROCESS",
            description = "Process id or tag")
    private @Nullable String process;

    @Override
    public Integer call() {
        try (var api = options.connect()) {
            if (process == null) {
                var console = api.get(CapsuleCommand.path(id) + "/console", CapsuleCommand.LIMIT);
                options.print(console, List.of(console.path("text").asText().stripTrailing()));
                return 0;
            }
            var path =
                    "%s/processes/%s/stream%s"
                            .formatted(
                                    CapsuleCommand.path(id),
                                    ApiClient.escaped(process),
                                    options.isJson() ? "" : "?encoding=base64");
            try (var socket = api.socket(path)) {
                return ExecCommand.follow(socket, options);
            }
        }
    }
}
