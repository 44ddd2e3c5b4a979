package dev.wrenn.cli.remote;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.client.ApiClient;
import dev.wrenn.cli.client.Json;
import dev.wrenn.cli.terminal.Person;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Which server and key the other commands use when nothing else is said. */
@Command(
        name = "auth",
        description = "Keeps, shows and forgets the server and API key that commands use.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND")
public final class AuthCommand {
    private static final String AS_JSON = "One line of JSON on standard output, for programs";
    private static final Duration LIMIT = Duration.ofSeconds(10);

    /** For picocli. */
    public AuthCommand() {}

    @Command(
            name = "login",
            description = "Keeps a server and an API key, once the server has accepted the key.",
            mixinStandardHelpOptions = true,
            footer = {
                "",
                "The key is asked for, or read from standard input if that is no terminal; it is"
                        + " never an argument, because arguments are visible to every user of a"
                        + " machine. It is kept in ~/.config/wrenn/login.json, readable by you only.",
                "",
                "Example: wrenn key | wrenn auth login --url http://127.0.0.1:8080"
            })
    int login(
            @Option(
                            names = "--url",
                            required = true,
                            paramLabel = "URL",
                            description = "Base URL of the server")
                    String url,
            @Option(names = "--json", description = AS_JSON) boolean json)
            throws IOException {
        var login = new Login(RemoteOptions.stripped(url), new Secret(askForKey()));
        try (var api = new ApiClient(login.baseUrl(), login.key())) {
            api.get("/v1/capsules", LIMIT);
        }
        var file = Login.file(System.getenv());
        login.write(file);
        print(
                json,
                Map.of("base_url", login.baseUrl(), "file", file.toString()),
                "Logged in to %s; kept in %s.".formatted(login.baseUrl(), file));
        return 0;
    }

    @Command(
            name = "status",
            description = "Shows which server would be used and whether it accepts the key.",
            mixinStandardHelpOptions = true)
    int status(@Mixin RemoteOptions options) {
        var login = options.login(System.getenv());
        try (var api = new ApiClient(login.baseUrl(), login.key())) {
            api.get("/v1/capsules", LIMIT);
        }
        var prefix = login.key().reveal().substring(0, Math.min(10, login.key().reveal().length()));
        options.print(
                Map.of("base_url", login.baseUrl(), "key_prefix", prefix, "accepted", true),
                List.of("%s accepts the key %s…".formatted(login.baseUrl(), prefix)));
        return 0;
    }

    @Command(
            name = "logout",
            description = "Forgets what login kept; the key itself stays valid.",
            mixinStandardHelpOptions = true)
    int logout(@Option(names = "--json", description = AS_JSON) boolean json) throws IOException {
        boolean wasThere = Files.deleteIfExists(Login.file(System.getenv()));
        print(
                json,
                Map.of("logged_out", wasThere),
                wasThere ? "Logged out." : "Nobody was logged in.");
        return 0;
    }

    private static void print(boolean json, Map<String, ?> forPrograms, String forPeople) {
        System.out.println(json ? Json.line(forPrograms) : forPeople);
    }

    private static String askForKey() throws IOException {
        if (Person.types()) {
            return Person.askSecret("API key: ");
        }
        var reader = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var line = reader.readLine();
        if (line == null || line.isBlank()) {
            throw new WrennException(Kind.INVALID, "there is no API key on standard input");
        }
        return line.strip();
    }
}
