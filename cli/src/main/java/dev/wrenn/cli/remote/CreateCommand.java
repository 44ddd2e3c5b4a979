package dev.wrenn.cli.remote;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Makes a capsule of a template. */
@Command(
        name = "create",
        description = "Creates a capsule and prints its id once it runs.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example: id=$(wrenn capsule create --memory 1G --timeout 30m)"})
final class CreateCommand implements Callable<Integer> {
    @Mixin private RemoteOptions options = new RemoteOptions();

    @Option(
            names = {"-t", "--template"},
            paramLabel = "NAME",
            description = "What it starts from. Default: minimal")
    private @Nullable String template;

    @Option(names = "--vcpus", paramLabel = "N", description = "Virtual processors. Default: 1")
    private @Nullable Integer vcpus;

    @Option(
            names = {"-m", "--memory"},
            paramLabel = "SIZE",
            description = "Memory, such as 512M or 2G. Default: 512M")
    private @Nullable String memory;

    @Option(
            names = "--timeout",
            paramLabel = "TIME",
            description =
                    "Pause it after that long without activity, such as 90s, 5m or 1h30m. Default:"
                            + " never")
    private @Nullable String timeout;

    @Option(
            names = {"-e", "--env"},
            paramLabel = "NAME=VALUE",
            description = "A variable for all its processes; may be repeated")
    private Map<String, String> variables = new LinkedHashMap<>();

    @Option(names = "--auto-resume", description = "Let a request to one of its ports resume it")
    private boolean autoResume;

    @Override
    public Integer call() {
        var order = new LinkedHashMap<String, Object>();
        Optional.ofNullable(template).ifPresent(t -> order.put("template", t));
        Optional.ofNullable(vcpus).ifPresent(n -> order.put("vcpus", n));
        Optional.ofNullable(memory).ifPresent(m -> order.put("memory_mb", Words.memoryMb(m)));
        Optional.ofNullable(timeout)
                .ifPresent(t -> order.put("timeout_sec", Words.duration(t).toSeconds()));
        if (!variables.isEmpty()) {
            order.put("envs", variables);
        }
        if (autoResume) {
            order.put("auto_resume", true);
        }
        try (var api = options.connect()) {
            var made = api.post("/v1/capsules", order, CapsuleCommand.LIFECYCLE_LIMIT);
            options.print(made, List.of(made.path("id").asText()));
        }
        return 0;
    }
}
