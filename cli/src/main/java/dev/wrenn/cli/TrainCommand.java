package dev.wrenn.cli;

import com.sun.net.httpserver.HttpServer;
import dev.wrenn.base.Secret;
import dev.wrenn.cli.client.ApiClient;
import dev.wrenn.cli.folder.ApiKeyFile;
import dev.wrenn.cli.folder.DataFolder;
import dev.wrenn.cli.folder.ServerRecord;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/**
 * Does what client commands do, against a server of its own in this process, so that the JVM can
 * keep the classes they need in an archive. Called once for each build, never by people.
 */
@Command(
        name = "train",
        hidden = true,
        description = "Does what client commands do, for a build to keep their classes.",
        mixinStandardHelpOptions = true)
final class TrainCommand implements Callable<Integer> {
    private static final Duration LIMIT = Duration.ofSeconds(30);
    private static final String CAPSULES =
            """
            [{"id":"cl-0000000000000000000000000","status":"running","template":"minimal",\
            "vcpus":1,"memory_mb":512,"timeout_sec":0,"created_at":"2026-01-01T00:00:00Z",\
            "last_updated":"2026-01-01T00:00:00Z","metadata":{"kernel_version":"6.1"}}]\
            """;
    private static final int OK = 200;

    @Override
    public Integer call() throws IOException {
        var server =
                HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext(
                "/",
                exchange -> {
                    var body = CAPSULES.getBytes(StandardCharsets.UTF_8);
                    exchange.getRequestBody().readAllBytes();
                    exchange.getResponseHeaders().set("Content-Type", "application/json");
                    exchange.sendResponseHeaders(OK, body.length);
                    exchange.getResponseBody().write(body);
                    exchange.close();
                });
        server.start();
        try {
            var url = "http://127.0.0.1:" + server.getAddress().getPort();
            for (var words :
                    List.of(List.of("list"), List.of("list", "--json"), List.of("get", "cl-1"))) {
                var line = new ArrayList<>(List.of("capsule"));
                line.addAll(words);
                line.addAll(List.of("--url", url));
                Main.run(line.toArray(String[]::new));
            }
            listAsOnTheServersMachine(url);
            Main.run("capsule", "--help");
            Main.run("capsule", "exec", "--help");
            Main.run("key", "--dir", "/nonexistent");
            Main.run("status", "--dir", "/nonexistent");
            try (var api = new ApiClient(url, new Secret("none"))) {
                api.post("/v1/capsules", Map.of("vcpus", 1), LIMIT);
            }
        } finally {
            server.stop(0);
        }
        return 0;
    }

    /** A command that is told a data folder, or nothing, finds server and key in files. */
    private static void listAsOnTheServersMachine(String url) throws IOException {
        var path = Files.createTempDirectory("wrenn-train");
        var folder = new DataFolder(path);
        try {
            ServerRecord.ofThisProcess().serving(url, "none").write(folder.serverRecord());
            ApiKeyFile.write(folder.apiKey(), new Secret("wrn_" + "0".repeat(32)));
            Main.run("capsule", "list", "--dir", path.toString());
        } finally {
            Files.deleteIfExists(folder.serverRecord());
            Files.deleteIfExists(folder.apiKey());
            Files.delete(path);
        }
    }
}
