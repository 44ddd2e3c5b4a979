package dev.wrenn.cli.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.client.ApiClient;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** What capsules start from. */
@Command(
        name = "template",
        aliases = "t",
        description = "Lists, shows, builds and removes templates.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = BuildCommand.class)
public final class TemplateCommand {
    /** For picocli. */
    public TemplateCommand() {}

    @Command(
            name = "list",
            aliases = "ls",
            description = "Lists the team's templates and those of the platform.",
            mixinStandardHelpOptions = true)
    int list(
            @Mixin RemoteOptions options,
            @Option(
                            names = "--type",
                            paramLabel = "TYPE",
                            description = "Only base or only snapshot templates")
                    @Nullable String type) {
        try (var api = options.connect()) {
            var query = type == null ? "" : "?type=" + ApiClient.escaped(type);
            var templates = api.get("/v1/snapshots" + query, CapsuleCommand.LIMIT);
            var now = InstantSource.system().instant();
            var table =
                    new Table("NAME", "TYPE", "STATUS", "VCPUS", "MEMORY", "SIZE", "AGE", "OWNER");
            for (var template : templates) {
                table.row(
                        template.path("name").asText(),
                        template.path("type").asText(),
                        template.path("status").asText(),
                        template.path("vcpus").asText("-"),
                        template.has("memory_mb") ? template.path("memory_mb").asText() + "M" : "-",
                        Words.size(template.path("size_bytes").asLong()),
                        Words.age(template.path("created_at").asText(), now),
                        template.path("platform").asBoolean() ? "platform" : "team");
            }
            options.print(templates, table.lines());
        }
        return 0;
    }

    @Command(name = "inspect", description = "Shows one template.", mixinStandardHelpOptions = true)
    int inspect(
            @Mixin RemoteOptions options,
            @Parameters(paramLabel = "NAME", description = "Name of the template") String name) {
        try (var api = options.connect()) {
            var template = find(api, name);
            var lines = new ArrayList<String>();
            template.properties()
                    .forEach(f -> lines.add("%-12s %s".formatted(f.getKey(), shown(f.getValue()))));
            options.print(template, lines);
        }
        return 0;
    }

    private static String shown(JsonNode value) {
        return value.isContainerNode() ? value.toString() : value.asText();
    }

    private static JsonNode find(ApiClient api, String name) {
        for (var template : api.get("/v1/snapshots", CapsuleCommand.LIMIT)) {
            if (template.path("name").asText().equals(name)) {
                return template;
            }
        }
        throw new WrennException(Kind.ABSENT, "there is no template " + name);
    }

    @Command(
            name = "rm",
            description = "Removes templates; capsules made from them live on.",
            mixinStandardHelpOptions = true)
    int remove(
            @Mixin RemoteOptions options,
            @Parameters(paramLabel = "NAME", arity = "1..*", description = "Names of templates")
                    List<String> names) {
        try (var api = options.connect()) {
            for (var name : names) {
                api.delete("/v1/snapshots/" + ApiClient.escaped(name), CapsuleCommand.LIMIT);
                options.print(Map.of("name", name, "removed", true), List.of(name + " removed"));
            }
        }
        return 0;
    }
}
