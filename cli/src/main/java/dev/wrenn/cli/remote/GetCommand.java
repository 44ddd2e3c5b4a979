package dev.wrenn.cli.remote;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** What is known of one capsule. */
@Command(
        name = "get",
        description = "Shows one capsule.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example: wrenn capsule get --json $id"})
final class GetCommand implements Callable<Integer> {
    @Mixin private RemoteOptions options = new RemoteOptions();

    @Parameters(paramLabel = "ID", description = "Id of the capsule")
    private String id = "";

    @Override
    public Integer call() {
        try (var api = options.connect()) {
            var capsule = api.get(CapsuleCommand.path(id), CapsuleCommand.LIMIT);
            var lines = new ArrayList<String>();
            for (var field : capsule.properties()) {
                if (!field.getValue().isContainerNode()) {
                    lines.add(line(field.getKey(), field.getValue()));
                }
            }
            for (var field : capsule.path("metadata").properties()) {
                lines.add(line(field.getKey(), field.getValue()));
            }
            options.print(capsule, lines);
        }
        return 0;
    }

    private static String line(String name, JsonNode value) {
        return String.format(Locale.ROOT, "%-22s %s", name, value.asText());
    }
}
