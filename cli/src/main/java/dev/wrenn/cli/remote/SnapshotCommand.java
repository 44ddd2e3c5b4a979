package dev.wrenn.cli.remote;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Makes a template of a capsule. */
@Command(
        name = "snapshot",
        description = "Makes a template of a capsule, which is paused then.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "The template has the capsule's processes, memory and files. To save a capsule for itself,"
                    + " see `wrenn capsule checkpoint`.",
            "",
            "Example: wrenn capsule snapshot --name web $id && wrenn capsule create -t web"
        })
final class SnapshotCommand implements Callable<Integer> {
    @Mixin private RemoteOptions options = new RemoteOptions();

    @Option(
            names = {"-n", "--name"},
            paramLabel = "NAME",
            description = "Name of the template. Default: one is made up")
    private @Nullable String name;

    @Option(names = "--overwrite", description = "Replace a template of that name")
    private boolean overwrite;

    @Parameters(paramLabel = "ID", description = "Id of the capsule")
    private String id = "";

    @Override
    public Integer call() {
        var order = new LinkedHashMap<String, Object>();
        order.put("sandbox_id", id);
        Optional.ofNullable(name).ifPresent(n -> order.put("name", n));
        try (var api = options.connect()) {
            var made =
                    api.post(
                            "/v1/snapshots" + (overwrite ? "?overwrite=true" : ""),
                            order,
                            CapsuleCommand.LIFECYCLE_LIMIT);
            options.print(made, List.of(made.path("name").asText()));
        }
        return 0;
    }
}
