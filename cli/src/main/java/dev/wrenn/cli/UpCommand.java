package dev.wrenn.cli;

import dev.wrenn.cli.folder.DataFolder;
import dev.wrenn.cli.terminal.TerminalProgress;
import dev.wrenn.host.image.FirecrackerRelease;
import java.net.URI;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Serves until it is stopped. */
@Command(
        name = "up",
        description = "Prepares what is missing, then serves until it is stopped.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "With --json one line {\"base_url\":…,\"api_key\":…} is printed once it serves.",
            "SIGTERM and Ctrl-C stop it; capsules that run are paused, not lost."
        })
final class UpCommand implements Callable<Integer> {
    @Mixin private Options options = new Options();

    @Option(
            names = "--listen",
            paramLabel = "HOST:PORT",
            description = "Where to serve; also WRENN_LISTEN. Default: 127.0.0.1:8080")
    private @Nullable String listen;

    @ArgGroup(exclusive = false, heading = "Firecracker, where KVM works:%n")
    private @Nullable FirecrackerOptions firecracker;

    /** Which release to install. */
    static final class FirecrackerOptions {
        @Option(
                names = "--with-firecracker",
                paramLabel = "VERSION",
                required = true,
                description = "Installs this release into the data folder first, like 1.16.1")
        private String version = "";

        @Option(
                names = "--firecracker-sha256",
                paramLabel = "HEX",
                description =
                        "What the archive must have. Default: what its makers publish beside it,"
                                + " which is shown")
        private @Nullable String sha256;

        @Option(
                names = "--firecracker-url",
                paramLabel = "URL",
                description = "Where releases are, instead of at their makers'")
        private URI base = FirecrackerRelease.MAKERS;
    }

    @Override
    public Integer call() {
        var folder = DataFolder.open(options.folder(System.getenv()));
        var flags = listen == null ? Map.<String, String>of() : Map.of("server.listen", listen);
        var config = options.config(folder, System.getenv(), flags);
        Logging.alsoTo(folder.logs());
        Logging.verbose();
        var progress = TerminalProgress.onStandardError();
        if (firecracker != null) {
            new FirecrackerRelease(
                            firecracker.version,
                            Optional.ofNullable(firecracker.sha256),
                            firecracker.base)
                    .install(folder.path(), progress);
        }
        var serving = Serving.start(folder, config, progress);
        try {
            announce(serving, folder);
            new CountDownLatch(1).await();
            return 0;
        } catch (InterruptedException _) {
            return 0; // this is how one is asked to stop
        } finally {
            serving.close();
        }
    }

    private void announce(Serving serving, DataFolder folder) {
        var forPrograms = new LinkedHashMap<String, String>();
        forPrograms.put("base_url", serving.baseUrl());
        forPrograms.put("api_key", serving.key().reveal());
        options.print(
                forPrograms,
                List.of(
                        "",
                        "Wrenn serves on " + serving.baseUrl(),
                        "  VMM      " + serving.vmm(),
                        "  data     " + folder.path(),
                        "  API key  %s  (kept in %s)"
                                .formatted(serving.key().reveal(), folder.apiKey()),
                        "",
                        "Try it in another terminal:",
                        "  export WRENN_BASE_URL=%s WRENN_API_KEY=%s"
                                .formatted(serving.baseUrl(), serving.key().reveal()),
                        "  curl -sS -X POST -H \"X-API-Key: $WRENN_API_KEY\" -d '{}'"
                                + " $WRENN_BASE_URL/v1/capsules",
                        "  python3 -c 'from wrenn import Capsule;"
                                + " print(Capsule().commands.run(\"uname -a\").stdout)'",
                        "or: ./wrenn demo",
                        "",
                        "Ctrl-C stops it; capsules that run are paused, not lost."));
    }
}
