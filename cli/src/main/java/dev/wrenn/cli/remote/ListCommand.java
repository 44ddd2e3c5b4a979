package dev.wrenn.cli.remote;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The team's capsules. */
@Command(
        name = "list",
        aliases = "ls",
        description = "Lists the capsules that are not destroyed, newest first.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples:",
            "  wrenn capsule list --status paused",
            "  wrenn capsule rm $(wrenn capsule list --quiet --status error)"
        })
final class ListCommand implements Callable<Integer> {
    @Mixin private RemoteOptions options = new RemoteOptions();

    @Option(
            names = {"-q", "--quiet"},
            description = "Ids only")
    private boolean quiet;

    @Option(
            names = "--status",
            paramLabel = "STATUS",
            description = "Only those, such as running or paused")
    private @Nullable String status;

    @Override
    public Integer call() {
        try (var api = options.connect()) {
            var shown = new ArrayList<JsonNode>();
            for (var capsule : api.get("/v1/capsules", CapsuleCommand.LIMIT)) {
                if (status == null || capsule.path("status").asText().equals(status)) {
                    shown.add(capsule);
                }
            }
            options.print(
                    shown,
                    quiet
                            ? shown.stream().map(c -> c.path("id").asText()).toList()
                            : table(shown, InstantSource.system().instant()));
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
}
