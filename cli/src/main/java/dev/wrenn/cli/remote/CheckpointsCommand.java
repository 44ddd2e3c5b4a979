package dev.wrenn.cli.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.cli.client.ApiClient;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** What a capsule can go back to. */
@Command(
        name = "checkpoints",
        description = "Lists the saved states of a capsule, newest first; every pause is one.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "A resume starts from the one that is marked with *. Those with a name stay until they"
                    + " are deleted; of the others the newest and the young."
        })
final class CheckpointsCommand implements Runnable {
    @Mixin private RemoteOptions options = new RemoteOptions();

    @Option(
            names = "--delete",
            paramLabel = "CHECKPOINT",
            description = "Delete that one first; may be repeated")
    private List<String> doomed = new ArrayList<>();

    @Option(
            names = "--keep-last",
            paramLabel = "N",
            description = "From now on keep that many of the newest without a name")
    private @Nullable Integer keepLast;

    @Option(
            names = "--keep-for",
            paramLabel = "TIME",
            description = "From now on keep each that long at least, such as 90s, 5m or 1h30m")
    private @Nullable String keepFor;

    @Parameters(paramLabel = "ID", description = "Id of the capsule")
    private String id = "";

    @Override
    public void run() {
        try (var api = options.connect()) {
            for (var checkpoint : doomed) {
                api.delete(
                        CapsuleCommand.path(id) + "/checkpoints/" + ApiClient.escaped(checkpoint),
                        CapsuleCommand.LIMIT);
            }
            var history = history(api);
            options.print(history, lines(history));
        }
    }

    private JsonNode history(ApiClient api) {
        var retention = new LinkedHashMap<String, Object>();
        Optional.ofNullable(keepLast).ifPresent(n -> retention.put("keep_last", n));
        Optional.ofNullable(keepFor)
                .ifPresent(t -> retention.put("keep_for_sec", Words.duration(t).toSeconds()));
        return retention.isEmpty()
                ? api.get(CapsuleCommand.path(id) + "/checkpoints", CapsuleCommand.LIMIT)
                : api.put(CapsuleCommand.path(id) + "/retention", retention, CapsuleCommand.LIMIT);
    }

    private static List<String> lines(JsonNode history) {
        var now = InstantSource.system().instant();
        var table = new Table(" ", "CHECKPOINT", "CAUSE", "AGE", "WRITTEN", "NAME");
        for (var checkpoint : history.path("checkpoints")) {
            table.row(
                    checkpoint.path("current").asBoolean() ? "*" : " ",
                    checkpoint.path("id").asText(),
                    checkpoint.path("cause").asText(),
                    Words.age(checkpoint.path("created_at").asText(), now),
                    Words.size(checkpoint.path("written_bytes").asLong()),
                    checkpoint.path("name").asText());
        }
        return table.lines();
    }
}
