package dev.wrenn.cli.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.client.ApiClient;
import dev.wrenn.cli.client.ApiFailure;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Life of capsules, a subcommand each; those that stream are classes of their own. */
@Command(
        name = "capsule",
        aliases = "c",
        description = "Creates, looks at, uses and ends capsules.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            ExecCommand.class,
            ShellCommand.class,
            CopyCommand.class,
            LogsCommand.class,
            PortsCommand.class,
            MetricsCommand.class,
            StatsCommand.class,
            UsageCommand.class,
            CheckpointCommand.class,
            CheckpointsCommand.class,
            RollbackCommand.class,
            ForkCommand.class
        },
        footer = {
            "",
            "Exit codes: 0 success, 1 failure, 2 misuse, 3 the key is not accepted, 4 there is no"
                    + " such thing, 5 its state forbids it. `exec` and `shell` end with the exit"
                    + " code of what they ran, 125 if it could not be run."
        })
public final class CapsuleCommand {
    static final Duration LIMIT = Duration.ofSeconds(30);

    /** Creating may boot a shape that is new, a pause writes all that changed. */
    static final Duration LIFECYCLE_LIMIT = Duration.ofMinutes(10);

    private static final String ID_HELP = "Id of the capsule";

    /** For picocli. */
    public CapsuleCommand() {}

    @Command(
            name = "create",
            description = "Creates a capsule and prints its id once it runs.",
            mixinStandardHelpOptions = true,
            footer = {"", "Example: id=$(wrenn capsule create --memory 1G --timeout 30m)"})
    int create(
            @Mixin RemoteOptions options,
            @Option(
                            names = {"-t", "--template"},
                            paramLabel = "NAME",
                            description = "What it starts from. Default: minimal")
                    @Nullable String template,
            @Option(
                            names = "--vcpus",
                            paramLabel = "N",
                            description = "Virtual processors. Default: 1")
                    @Nullable Integer vcpus,
            @Option(
                            names = {"-m", "--memory"},
                            paramLabel = "SIZE",
                            description = "Memory, such as 512M or 2G. Default: 512M")
                    @Nullable String memory,
            @Option(
                            names = "--timeout",
                            paramLabel = "TIME",
                            description =
                                    "Pause it after that long without activity, such as 90s, 5m or"
                                            + " 1h30m. Default: never")
                    @Nullable String timeout,
            @Option(
                            names = {"-e", "--env"},
                            paramLabel = "NAME=VALUE",
                            description = "A variable for all its processes; may be repeated")
                    @Nullable Map<String, String> variables,
            @Option(
                            names = "--auto-resume",
                            description = "Let a request to one of its ports resume it")
                    boolean autoResume) {
        var order = new LinkedHashMap<String, Object>();
        Optional.ofNullable(template).ifPresent(t -> order.put("template", t));
        Optional.ofNullable(vcpus).ifPresent(n -> order.put("vcpus", n));
        Optional.ofNullable(memory).ifPresent(m -> order.put("memory_mb", Words.memoryMb(m)));
        Optional.ofNullable(timeout)
                .ifPresent(t -> order.put("timeout_sec", Words.duration(t).toSeconds()));
        Optional.ofNullable(variables).ifPresent(v -> order.put("envs", v));
        if (autoResume) {
            order.put("auto_resume", true);
        }
        try (var api = options.connect()) {
            var made = api.post("/v1/capsules", order, LIFECYCLE_LIMIT);
            options.print(made, List.of(made.path("id").asText()));
        }
        return 0;
    }

    @Command(
            name = "list",
            aliases = "ls",
            description = "Lists the capsules that are not destroyed, newest first.",
            mixinStandardHelpOptions = true)
    int list(
            @Mixin RemoteOptions options,
            @Option(
                            names = {"-q", "--quiet"},
                            description = "Ids only")
                    boolean quiet,
            @Option(
                            names = "--status",
                            paramLabel = "STATUS",
                            description = "Only those, such as running or paused")
                    @Nullable String status) {
        try (var api = options.connect()) {
            var shown = new ArrayList<JsonNode>();
            api.get("/v1/capsules", LIMIT)
                    .forEach(c -> {
                        if (status == null || c.path("status").asText().equals(status)) {
                            shown.add(c);
                        }
                    });
            var lines =
                    quiet
                            ? shown.stream().map(c -> c.path("id").asText()).toList()
                            : table(shown, InstantSource.system().instant());
            options.print(shown, lines);
        }
        return 0;
    }

    private static List<String> table(List<JsonNode> capsules, Instant now) {
        var table = new Table("ID", "STATUS", "TEMPLATE", "VCPUS", "MEMORY", "AGE", "ACTIVE");
        for (var capsule : capsules) {
            table.row(
                    capsule.path("id").asText(),
                    capsule.path("status").asText(),
                    capsule.path("template").asText(),
                    capsule.path("vcpus").asText(),
                    capsule.path("memory_mb").asText() + "M",
                    Words.age(capsule.path("created_at").asText(), now),
                    Words.age(capsule.path("last_active_at").asText(), now));
        }
        return table.lines();
    }

    @Command(name = "get", description = "Shows one capsule.", mixinStandardHelpOptions = true)
    int get(
            @Mixin RemoteOptions options,
            @Parameters(paramLabel = "ID", description = ID_HELP) String id) {
        try (var api = options.connect()) {
            var capsule = api.get(path(id), LIMIT);
            var lines = new ArrayList<String>();
            capsule.properties()
                    .forEach(field -> {
                        if (!field.getValue().isContainerNode()) {
                            lines.add(line(field.getKey(), field.getValue()));
                        }
                    });
            capsule.path("metadata")
                    .properties()
                    .forEach(f -> lines.add(line(f.getKey(), f.getValue())));
            options.print(capsule, lines);
        }
        return 0;
    }

    private static String line(String name, JsonNode value) {
        return String.format(Locale.ROOT, "%-22s %s", name, value.asText());
    }

    @Command(
            name = "rm",
            description = "Destroys capsules with all that is in them.",
            mixinStandardHelpOptions = true)
    int remove(
            @Mixin RemoteOptions options,
            @Option(names = "--all", description = "Every capsule of the team") boolean all,
            @Parameters(paramLabel = "ID", arity = "0..*", description = "Ids of capsules")
                    @Nullable List<String> ids) {
        try (var api = options.connect()) {
            var doomed = new ArrayList<>(ids == null ? List.<String>of() : ids);
            if (all) {
                api.get("/v1/capsules", LIMIT).forEach(c -> doomed.add(c.path("id").asText()));
            } else if (doomed.isEmpty()) {
                throw new WrennException(Kind.INVALID, "name the capsules to destroy, or --all");
            }
            return eachOf(
                    doomed, options, id -> api.delete(path(id), LIFECYCLE_LIMIT), "destroyed");
        }
    }

    @Command(
            name = "pause",
            description = "Saves capsules and ends their virtual machines.",
            mixinStandardHelpOptions = true)
    int pause(
            @Mixin RemoteOptions options,
            @Parameters(paramLabel = "ID", arity = "1..*", description = "Ids of capsules")
                    List<String> ids) {
        try (var api = options.connect()) {
            return eachOf(ids, options, id -> lifecycle(api, id, "pause"), "paused");
        }
    }

    @Command(
            name = "resume",
            description = "Lets paused capsules go on where they were.",
            mixinStandardHelpOptions = true)
    int resume(
            @Mixin RemoteOptions options,
            @Parameters(paramLabel = "ID", arity = "1..*", description = "Ids of capsules")
                    List<String> ids) {
        try (var api = options.connect()) {
            return eachOf(ids, options, id -> lifecycle(api, id, "resume"), "running");
        }
    }

    private static void lifecycle(ApiClient api, String id, String what) {
        api.post(path(id) + "/" + what, Map.of(), LIFECYCLE_LIMIT);
    }

    private interface Act {
        void on(String id);
    }

    /** Does it to each, also after one failed; the exit code is that of the first failure. */
    private static int eachOf(List<String> ids, RemoteOptions options, Act act, String done) {
        int code = 0;
        for (var id : ids) {
            try {
                act.on(id);
                options.print(Map.of("id", id, "status", done), List.of(id + " " + done));
            } catch (ApiFailure e) {
                System.err.println("wrenn: " + id + ": " + e.shownMessage());
                code = code == 0 ? e.exitCode() : code;
            }
        }
        return code;
    }

    @Command(
            name = "snapshot",
            description = "Makes a template of a capsule, which is paused then.",
            mixinStandardHelpOptions = true)
    int snapshot(
            @Mixin RemoteOptions options,
            @Option(
                            names = {"-n", "--name"},
                            paramLabel = "NAME",
                            description = "Name of the template. Default: one is made up")
                    @Nullable String name,
            @Option(names = "--overwrite", description = "Replace a template of that name")
                    boolean overwrite,
            @Parameters(paramLabel = "ID", description = ID_HELP) String id) {
        var order = new LinkedHashMap<String, Object>();
        order.put("sandbox_id", id);
        Optional.ofNullable(name).ifPresent(n -> order.put("name", n));
        try (var api = options.connect()) {
            var made =
                    api.post(
                            "/v1/snapshots" + (overwrite ? "?overwrite=true" : ""),
                            order,
                            LIFECYCLE_LIMIT);
            options.print(made, List.of(made.path("name").asText()));
        }
        return 0;
    }

    static String path(String id) {
        return "/v1/capsules/" + ApiClient.escaped(id);
    }
}
