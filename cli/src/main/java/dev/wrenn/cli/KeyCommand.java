package dev.wrenn.cli;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Secret;
import dev.wrenn.cli.client.ApiClient;
import dev.wrenn.cli.folder.ApiKeyFile;
import dev.wrenn.cli.folder.DataFolder;
import dev.wrenn.cli.folder.ServerRecord;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Prints the API key of a data folder, and manages the others on the server's machine. */
@Command(
        name = "key",
        description = "Prints the API key; makes, lists and revokes others.",
        subcommands = {KeyCommand.Create.class, KeyCommand.Show.class, KeyCommand.Revoke.class},
        mixinStandardHelpOptions = true)
final class KeyCommand implements Callable<Integer> {
    private static final Duration LIMIT = Duration.ofSeconds(10);
    private static final String KEYS = "/v1/api-keys";

    @Mixin private Options options = new Options();

    @Override
    public Integer call() {
        var key = keyOf(new DataFolder(options.folder(System.getenv())));
        options.print(Map.of("api_key", key.reveal()), List.of(key.reveal()));
        return 0;
    }

    private static Secret keyOf(DataFolder folder) {
        return ApiKeyFile.read(folder.apiKey())
                .orElseThrow(() ->
                        Main.absent(
                                "there is no API key in %s yet; `wrenn up` makes it"
                                        .formatted(folder.path())));
    }

    /** Asks the server of the data folder, which must run. */
    private static <T> T ask(Options options, Function<ApiClient, T> question) {
        var folder = new DataFolder(options.folder(System.getenv()));
        var server =
                ServerRecord.running(folder.serverRecord())
                        .filter(ServerRecord::isServing)
                        .orElseThrow(() ->
                                Main.absent(
                                        "no server runs for %s; start it with `wrenn up`"
                                                .formatted(folder.path())));
        try (var api = new ApiClient(server.baseUrl(), keyOf(folder))) {
            return question.apply(api);
        }
    }

    /** Makes a key. */
    @Command(
            name = "create",
            description = "Makes another API key and prints it; it is not shown again.",
            mixinStandardHelpOptions = true)
    static final class Create implements Callable<Integer> {
        @Mixin private Options options = new Options();

        @Parameters(paramLabel = "NAME", description = "To tell it apart, such as who has it")
        private String name = "";

        @Override
        public Integer call() {
            var made = ask(options, api -> api.post(KEYS, Map.of("name", name), LIMIT));
            options.print(made, List.of(made.path("key").asText()));
            return 0;
        }
    }

    /** Lists the keys. */
    @Command(
            name = "list",
            description = "Lists the API keys, without their texts.",
            mixinStandardHelpOptions = true)
    static final class Show implements Callable<Integer> {
        @Mixin private Options options = new Options();

        @Override
        public Integer call() {
            var keys = ask(options, api -> api.get(KEYS, LIMIT));
            var lines = new ArrayList<String>();
            keys.forEach(key -> lines.add(line(key)));
            options.print(keys, lines);
            return 0;
        }

        private static String line(JsonNode key) {
            return "%s  %s\u2026  %s  used %s  %s"
                    .formatted(
                            key.path("id").asText(),
                            key.path("key_prefix").asText(),
                            key.path("created_at").asText(),
                            key.path("last_used").asText("never"),
                            key.path("name").asText());
        }
    }

    /** Revokes a key. */
    @Command(
            name = "revoke",
            description = "Revokes an API key; it stops working at once.",
            mixinStandardHelpOptions = true)
    static final class Revoke implements Callable<Integer> {
        @Mixin private Options options = new Options();

        @Parameters(paramLabel = "ID", description = "As `wrenn key list` shows it")
        private String id = "";

        @Override
        public Integer call() {
            ask(
                    options,
                    api -> {
                        var isKnown = api.get(KEYS, LIMIT).findValuesAsText("id").contains(id);
                        if (!isKnown) {
                            throw Main.absent("there is no key " + id + "; see `wrenn key list`");
                        }
                        api.delete(KEYS + "/" + ApiClient.escaped(id), LIMIT);
                        return id;
                    });
            options.print(Map.of("revoked", id), List.of("Revoked " + id + "."));
            return 0;
        }
    }
}
