package dev.wrenn.cli.remote;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.client.ApiClient;
import dev.wrenn.cli.client.ApiSocket;
import dev.wrenn.cli.client.ApiSocket.Incoming;
import java.io.PrintStream;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Runs a command in a capsule; output comes as it is written, byte for byte. */
@Command(
        name = "exec",
        description = "Runs a command in a capsule and shows its output as it comes.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Options come before ID; everything behind it belongs to the command. Ctrl-C ends the"
                    + " command too.",
            "Exit code: the command's own; 125 if it could not be run.",
            "With --json: {type: start, pid}, then {type: stdout or stderr, data}, at the end"
                    + " {type: exit, exit_code} or {type: error, data}, one a line.",
            "",
            "Examples:",
            "  wrenn capsule exec $id uname -a",
            "  wrenn capsule exec -e PORT=8000 -w /srv -d $id python3 -m http.server",
            "  wrenn capsule exec $id sh -c 'cd /src && make' > make.log"
        })
final class ExecCommand implements Callable<Integer> {
    static final int NOT_RUN = 125;
    private static final int INTERRUPTED = 130;

    /** As shells show a SIGKILL; the API does not say which signal it was. */
    private static final int KILLED = 137;

    @Mixin private RemoteOptions options = new RemoteOptions();

    @Option(
            names = {"-e", "--env"},
            paramLabel = "NAME=VALUE",
            description = "A variable for the command; may be repeated")
    private Map<String, String> variables = new LinkedHashMap<>();

    @Option(
            names = {"-w", "--cwd"},
            paramLabel = "DIR",
            description = "Where it runs. Default: the user's home")
    private @Nullable String directory;

    @Option(
            names = "--timeout",
            paramLabel = "TIME",
            description = "Kill it after that long, such as 90s or 5m. Default: never")
    private @Nullable String timeout;

    @Option(
            names = {"-d", "--detach"},
            description = "Leave it running and print its process id")
    private boolean detach;

    @Option(
            names = "--tag",
            paramLabel = "TAG",
            description = "With --detach: a name to find it by")
    private @Nullable String tag;

    @Parameters(index = "0", paramLabel = "ID", description = "Id of the capsule")
    private String id = "";

    @Parameters(
            index = "1..*",
            arity = "1..*",
            paramLabel = "COMMAND",
            description = "The command and its arguments")
    private List<String> command = List.of();

    @Override
    public Integer call() {
        try (var api = options.connect()) {
            return detach ? start(api) : follow(api);
        }
    }

    private int start(ApiClient api) {
        var order = order();
        order.put("background", true);
        Optional.ofNullable(tag).ifPresent(t -> order.put("tag", t));
        var started = api.post(CapsuleCommand.path(id) + "/exec", order, CapsuleCommand.LIMIT);
        options.print(started, List.of(started.path("pid").asText()));
        return 0;
    }

    private int follow(ApiClient api) {
        try (var socket = api.socket(CapsuleCommand.path(id) + "/exec/stream")) {
            var order = order();
            order.put("type", "start");
            if (!options.isJson()) {
                order.put("encoding", "base64"); // every byte as it is
            }
            socket.send(order);
            return follow(socket, options);
        }
    }

    private Map<String, Object> order() {
        var order = new LinkedHashMap<String, Object>();
        order.put("cmd", command.getFirst());
        order.put("args", command.subList(1, command.size()));
        if (!variables.isEmpty()) {
            order.put("envs", variables);
        }
        Optional.ofNullable(directory).ifPresent(d -> order.put("cwd", d));
        Optional.ofNullable(timeout)
                .ifPresent(t -> order.put("timeout_sec", Words.duration(t).toSeconds()));
        return order;
    }

    /**
     * Shows what a process writes until it ends, for programs each message as it comes; answers its
     * exit code.
     */
    static int follow(ApiSocket socket, RemoteOptions options) {
        while (true) {
            switch (socket.next()) {
                case Incoming.Message message -> {
                    if (options.isJson()) {
                        options.print(message.json(), List.of());
                    }
                    switch (message.type()) {
                        case "stdout" -> write(System.out, message, options);
                        case "stderr" -> write(System.err, message, options);
                        case "exit" -> {
                            int code = message.json().path("exit_code").asInt(-1);
                            return code < 0 ? KILLED : code;
                        }
                        case "error" -> {
                            if (!options.isJson()) {
                                System.err.println(
                                        "wrenn: " + message.json().path("data").asText());
                            }
                            return NOT_RUN;
                        }
                        default -> {
                            // start: the process id is of no use here
                        }
                    }
                }
                case Incoming.Bytes _ -> {
                    // this route sends none
                }
                case Incoming.Closed _ when Thread.interrupted() -> {
                    socket.send(Map.of("type", "stop"));
                    return INTERRUPTED;
                }
                case Incoming.Closed(boolean _, String reason) ->
                        throw new WrennException(
                                Kind.UNAVAILABLE,
                                reason.isEmpty() ? "the connection broke off" : reason);
            }
        }
    }

    private static void write(PrintStream out, Incoming.Message message, RemoteOptions options) {
        if (options.isJson()) {
            return;
        }
        var bytes = Base64.getDecoder().decode(message.json().path("data").asText());
        out.write(bytes, 0, bytes.length);
        out.flush();
    }
}
