package dev.wrenn.cli;

import dev.wrenn.cli.folder.ApiKeyFile;
import dev.wrenn.cli.folder.DataFolder;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Prints the API key of a data folder. */
@Command(name = "key", description = "Prints the API key.", mixinStandardHelpOptions = true)
final class KeyCommand implements Callable<Integer> {
    @Mixin private Options options = new Options();

    @Override
    public Integer call() {
        var folder = new DataFolder(options.folder(System.getenv()));
        var key =
                ApiKeyFile.read(folder.apiKey())
                        .orElseThrow(() ->
                                Main.absent(
                                        "there is no API key in %s yet; `wrenn up` makes it"
                                                .formatted(folder.path())));
        options.print(Map.of("api_key", key.reveal()), List.of(key.reveal()));
        return 0;
    }
}
