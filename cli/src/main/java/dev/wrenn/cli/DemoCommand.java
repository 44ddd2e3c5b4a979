package dev.wrenn.cli;

import dev.wrenn.base.Secret;
import dev.wrenn.base.UndoStack;
import dev.wrenn.cli.client.ApiClient;
import dev.wrenn.cli.folder.ApiKeyFile;
import dev.wrenn.cli.folder.DataFolder;
import dev.wrenn.cli.folder.ServerRecord;
import dev.wrenn.cli.terminal.TerminalProgress;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Shows the life of one capsule and checks every claim. */
@Command(
        name = "demo",
        description =
                "Creates, fills, pauses and resumes a capsule and checks that nothing was lost.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Uses the server of the data folder, or starts one for the demo.",
            "Exit code: 0 only if every check held."
        })
final class DemoCommand implements Callable<Integer> {
    @Mixin private Options options = new Options();

    @Option(
            names = "--listen",
            paramLabel = "HOST:PORT",
            description = "Where to serve if no server runs; also WRENN_LISTEN")
    private @Nullable String listen;

    private record Target(String baseUrl, Secret key, String vmm) {}

    @Override
    public Integer call() {
        try (var undo = new UndoStack()) {
            var target = target(undo);
            var api = undo.hold(new ApiClient(target.baseUrl(), target.key()));
            var story = undo.hold(new DemoStory(api, target.vmm(), System.err::println));
            var report = story.run();
            options.print(
                    report,
                    List.of(report.ok() ? "Every check held." : "A CHECK FAILED, see above."));
            return report.ok() ? 0 : 1;
        }
    }

    private Target target(UndoStack undo) {
        var path = options.folder(System.getenv());
        var running = ServerRecord.running(new DataFolder(path).serverRecord());
        if (running.isPresent() && running.get().isServing()) {
            var key =
                    ApiKeyFile.read(new DataFolder(path).apiKey())
                            .orElseThrow(() -> Main.absent("there is no API key in " + path));
            return new Target(running.get().baseUrl(), key, running.get().vmm());
        }
        var folder = DataFolder.open(path);
        var flags = listen == null ? Map.<String, String>of() : Map.of("server.listen", listen);
        var config = options.config(folder, System.getenv(), flags);
        Logging.alsoTo(folder.logs());
        var serving = undo.hold(Serving.start(folder, config, TerminalProgress.onStandardError()));
        return new Target(serving.baseUrl(), serving.key(), serving.vmmName());
    }
}
