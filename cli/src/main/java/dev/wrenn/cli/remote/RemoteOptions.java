package dev.wrenn.cli.remote;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.client.ApiClient;
import dev.wrenn.cli.client.ApiFailure;
import dev.wrenn.cli.client.Json;
import dev.wrenn.cli.folder.ApiKeyFile;
import dev.wrenn.cli.folder.DataFolder;
import dev.wrenn.cli.folder.ServerRecord;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which server a command talks to, and how it prints. */
final class RemoteOptions {
    private static final Path DEFAULT_FOLDER = Path.of("/var/lib/wrenn");

    @Option(
            names = "--url",
            paramLabel = "URL",
            description = "Base URL of the server; also WRENN_BASE_URL")
    private @Nullable String url;

    @Option(
            names = "--dir",
            paramLabel = "DIR",
            description = "Use the server of this data folder on this machine; also WRENN_DIR")
    private @Nullable Path directory;

    @Option(
            names = "--json",
            description =
                    "What the server answered, as JSON, one document a line; a failure as"
                            + " {\"error\": {\"code\", \"message\"}} on standard error")
    private boolean json;

    boolean isJson() {
        return json;
    }

    /** A client of that server; the caller closes it. */
    ApiClient connect() {
        var login = login(System.getenv());
        return new ApiClient(login.baseUrl(), login.key());
    }

    /**
     * Finds server and key: what was said here before what the environment says before what {@code
     * auth login} kept before the server of this machine.
     */
    Login login(Map<String, String> environment) {
        var stored = Login.read(Login.file(environment));
        var said = Optional.ofNullable(url).or(() -> value(environment, "WRENN_BASE_URL"));
        var folder =
                Optional.ofNullable(directory)
                        .or(() -> value(environment, "WRENN_DIR").map(Path::of));
        if (said.isPresent() && (url != null || folder.isEmpty())) {
            var baseUrl = stripped(said.get());
            var key =
                    value(environment, "WRENN_API_KEY")
                            .map(Secret::new)
                            .or(() ->
                                    stored.filter(l -> l.baseUrl().equals(baseUrl)).map(Login::key))
                            .orElseThrow(() ->
                                    missing(
                                            "there is no API key for %s; set WRENN_API_KEY or run"
                                                    + " `wrenn auth login`",
                                            baseUrl));
            return new Login(baseUrl, key);
        }
        if (folder.isEmpty() && stored.isPresent()) {
            return stored.get();
        }
        return ofFolder(folder.orElse(DEFAULT_FOLDER).toAbsolutePath().normalize());
    }

    private static Login ofFolder(Path path) {
        var folder = new DataFolder(path);
        var server =
                ServerRecord.running(folder.serverRecord())
                        .filter(ServerRecord::isServing)
                        .orElseThrow(() ->
                                missing(
                                        "no server runs for %s; start one with `wrenn up`, or name"
                                                + " one with --url or `wrenn auth login`",
                                        path.toString()));
        var key =
                ApiKeyFile.read(folder.apiKey())
                        .orElseThrow(() -> missing("there is no API key in %s", path.toString()));
        return new Login(server.baseUrl(), key);
    }

    static String stripped(String baseUrl) {
        if (!baseUrl.matches("https?://[^/]+.*")) {
            throw new WrennException(
                    Kind.INVALID,
                    "not a base URL: " + baseUrl + "; it looks like http://HOST:PORT");
        }
        return baseUrl.replaceFirst("/+$", "");
    }

    private static WrennException missing(String format, String what) {
        return new WrennException(Kind.UNAVAILABLE, format.formatted(what));
    }

    private static Optional<String> value(Map<String, String> environment, String name) {
        return Optional.ofNullable(environment.get(name)).filter(v -> !v.isBlank());
    }

    /** What is done to one of several. */
    interface Act {
        /** Does it. */
        void on(String id);
    }

    /** Does it to each, also after one failed; the exit code is that of the first failure. */
    int eachOf(List<String> ids, Act act, String done) {
        int code = 0;
        for (var id : ids) {
            try {
                act.on(id);
                print(Map.of("id", id, "status", done), List.of(id + " " + done));
            } catch (ApiFailure e) {
                System.err.println(
                        json
                                ? Json.line(Map.of("id", id, "error", shown(e)))
                                : "wrenn: " + id + ": " + e.shownMessage());
                code = code == 0 ? e.exitCode() : code;
            }
        }
        return code;
    }

    private static Map<String, String> shown(ApiFailure failure) {
        return Map.of("code", failure.code(), "message", failure.shownMessage());
    }

    /** Prints a result: for programs as one line of JSON, for people as text. */
    void print(Object forPrograms, List<String> forPeople) {
        if (json) {
            System.out.println(Json.line(forPrograms));
        } else {
            forPeople.forEach(System.out::println);
        }
        System.out.flush();
    }
}
