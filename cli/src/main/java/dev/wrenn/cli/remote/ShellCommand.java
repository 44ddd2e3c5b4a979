package dev.wrenn.cli.remote;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Pause;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.client.ApiClient;
import dev.wrenn.cli.client.ApiSocket;
import dev.wrenn.cli.client.ApiSocket.Incoming;
import dev.wrenn.cli.terminal.Person;
import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * A terminal in a capsule. The terminal there outlives the connection, so one that breaks is made
 * again and what was shown last is shown again.
 */
@Command(
        name = "shell",
        description = "Opens a terminal in a capsule.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "A connection that breaks is made again. To leave the shell running and come back to it"
                    + " later, type Ctrl-] and then `wrenn capsule shell --attach TAG ID`.",
            "Exit code: the shell's own; 0 after leaving it with Ctrl-]; 125 if it could not be"
                    + " opened."
        })
final class ShellCommand implements Callable<Integer> {
    private static final byte LEAVE = 0x1d; // Ctrl-], as telnet(1) has it
    private static final int CHUNK_BYTES = 4096;
    private static final Duration RECONNECT_LIMIT = Duration.ofSeconds(30);
    private static final Duration RECONNECT_PAUSE = Duration.ofMillis(500);

    @Mixin private RemoteOptions options = new RemoteOptions();

    @Option(
            names = {"-e", "--env"},
            paramLabel = "NAME=VALUE",
            description = "A variable for the shell; may be repeated")
    private Map<String, String> variables = new LinkedHashMap<>();

    @Option(
            names = {"-w", "--cwd"},
            paramLabel = "DIR",
            description = "Where it starts. Default: the user's home")
    private @Nullable String directory;

    @Option(
            names = {"-u", "--user"},
            paramLabel = "USER",
            description = "Who it runs as. Default: the template's user")
    private @Nullable String user;

    @Option(
            names = "--attach",
            paramLabel = "TAG",
            description = "Come back to a terminal that was left")
    private @Nullable String attach;

    @Parameters(index = "0", paramLabel = "ID", description = "Id of the capsule")
    private String id = "";

    @Parameters(
            index = "1..*",
            arity = "0..*",
            paramLabel = "COMMAND",
            description = "What to run in it. Default: /bin/bash")
    private List<String> command = List.of();

    @Override
    public Integer call() throws IOException {
        if (!Person.isThere()) {
            throw new WrennException(
                    Kind.INVALID, "this is no terminal; use `wrenn capsule exec` in scripts");
        }
        try (var api = options.connect();
                var terminal = TerminalBuilder.builder().system(true).dumb(false).build()) {
            var before = terminal.enterRawMode();
            try {
                return new Session(api, terminal).run();
            } finally {
                terminal.setAttributes(before);
            }
        }
    }

    private String path() {
        return CapsuleCommand.path(id) + "/pty";
    }

    private Map<String, Object> opening(Terminal terminal) {
        var message = new LinkedHashMap<String, Object>();
        if (attach != null) {
            message.put("type", "connect");
            message.put("tag", attach);
            return message;
        }
        var environment = new LinkedHashMap<>(variables);
        environment.putIfAbsent("TERM", terminal.getType());
        message.put("type", "start");
        message.put("cmd", command.isEmpty() ? "/bin/bash" : command.getFirst());
        if (command.size() > 1) {
            message.put("args", command.subList(1, command.size()));
        }
        message.put("cols", Math.max(1, terminal.getSize().getColumns()));
        message.put("rows", Math.max(1, terminal.getSize().getRows()));
        message.put("envs", environment);
        Optional.ofNullable(directory).ifPresent(d -> message.put("cwd", d));
        Optional.ofNullable(user).ifPresent(u -> message.put("user", u));
        return message;
    }

    /** One terminal here at one terminal there, over as many connections as it takes. */
    private final class Session {
        private final ApiClient api;
        private final Terminal terminal;
        private final AtomicReference<ApiSocket> current = new AtomicReference<>();
        private volatile String tag = attach == null ? "" : attach;
        private volatile boolean left;

        Session(ApiClient api, Terminal terminal) {
            this.api = api;
            this.terminal = terminal;
        }

        int run() {
            connect(opening(terminal));
            terminal.handle(Terminal.Signal.WINCH, _ -> resize());
            try (var forks = new Forks()) {
                forks.startOnPlatformThread(
                        "keyboard",
                        () -> {
                            type();
                            return true;
                        });
                return show();
            } finally {
                current.get().close();
            }
        }

        private void connect(Map<String, Object> opening) {
            var socket = api.socket(path());
            socket.send(opening);
            // Says that bytes travel as base64 in JSON from here on, before any were typed.
            socket.send(Map.of("type", "input", "data", ""));
            current.set(socket);
        }

        private int show() {
            while (true) {
                switch (current.get().next()) {
                    case Incoming.Message message -> {
                        switch (message.type()) {
                            case "started" -> tag = message.json().path("tag").asText(tag);
                            case "output" -> write(message.json().path("data").asText());
                            case "exit" -> {
                                return Math.max(0, message.json().path("exit_code").asInt());
                            }
                            case "error" -> {
                                var said = message.json().path("data").asText();
                                if (message.json().path("fatal").asBoolean()) {
                                    return giveUp(said);
                                }
                                say(said);
                            }
                            default -> {
                                // pings, which need no answer here
                            }
                        }
                    }
                    case Incoming.Bytes(var bytes) -> {
                        terminal.writer().flush();
                        write(bytes);
                    }
                    case Incoming.Closed(boolean isOrderly, String reason) -> {
                        if (left) {
                            say("left running; come back with --attach " + tag);
                            return 0;
                        }
                        if (isOrderly || tag.isEmpty()) {
                            return giveUp(reason.isEmpty() ? "the connection was closed" : reason);
                        }
                        if (!reconnect()) {
                            return giveUp("the connection broke and could not be made again");
                        }
                    }
                }
            }
        }

        private boolean reconnect() {
            say("the connection broke; connecting again");
            current.get().close();
            return Pause.until(
                    () -> {
                        try {
                            connect(Map.of("type", "connect", "tag", tag));
                            resize();
                            return true;
                        } catch (WrennException _) {
                            return false; // the server is not back yet: tried again until the limit
                        }
                    },
                    RECONNECT_PAUSE,
                    Deadline.after(RECONNECT_LIMIT));
        }

        private void type() {
            var buffer = new byte[CHUNK_BYTES];
            try {
                for (int n = terminal.input().read(buffer);
                        n >= 0;
                        n = terminal.input().read(buffer)) {
                    if (n > 0 && buffer[0] == LEAVE) {
                        left = true;
                        current.get().close();
                        return;
                    }
                    send(Arrays.copyOf(buffer, n));
                }
            } catch (IOException _) {
                // The terminal is gone, and with it whoever could be told.
            }
        }

        private void send(byte[] typed) {
            try {
                current.get()
                        .send(
                                Map.of(
                                        "type",
                                        "input",
                                        "data",
                                        Base64.getEncoder().encodeToString(typed)));
            } catch (WrennException _) {
                // The connection breaks just now: the reader notices and makes it again.
            }
        }

        private void resize() {
            try {
                current.get()
                        .send(
                                Map.of(
                                        "type", "resize",
                                        "cols", Math.max(1, terminal.getSize().getColumns()),
                                        "rows", Math.max(1, terminal.getSize().getRows())));
            } catch (WrennException _) {
                // As above; a new connection sends its size.
            }
        }

        private void write(String base64) {
            write(Base64.getDecoder().decode(base64));
        }

        private void write(byte[] bytes) {
            try {
                terminal.output().write(bytes);
                terminal.output().flush();
            } catch (IOException e) {
                throw new WrennException(Kind.UNAVAILABLE, "the terminal is gone", e);
            }
        }

        private void say(String text) {
            write(
                    ("\r\n[wrenn: " + text + "]\r\n")
                            .getBytes(java.nio.charset.StandardCharsets.UTF_8));
        }

        private int giveUp(String reason) {
            say(reason);
            return ExecCommand.NOT_RUN;
        }
    }
}
