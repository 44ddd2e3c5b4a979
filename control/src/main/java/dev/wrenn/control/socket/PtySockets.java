package dev.wrenn.control.socket;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Forks;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.contract.guest.ProcessEvent;
import dev.wrenn.contract.guest.ProcessSelector;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.contract.guest.ProcessStream;
import dev.wrenn.contract.guest.PtySize;
import dev.wrenn.contract.guest.Signal;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.Routes;
import dev.wrenn.control.socket.Conversation.Incoming;
import dev.wrenn.control.socket.TerminalOutput.Form;
import java.time.Duration;
import java.util.Base64;
import java.util.Optional;
import java.util.UUID;

/**
 * Terminals: start one or come back to one by its tag. A terminal outlives the socket; whoever
 * comes back first sees what it showed last. Input is delivered in order, message by message, and a
 * slow program holds the client up instead of losing its typing.
 */
public final class PtySockets {
    private static final Duration START_LIMIT = Duration.ofSeconds(60);
    private static final Duration PING_INTERVAL = Duration.ofSeconds(30);
    private static final int DEFAULT_COLUMNS = 80;
    private static final int DEFAULT_ROWS = 24;

    private final Sockets sockets;

    /** Over those. */
    public PtySockets(Sockets sockets) {
        this.sockets = sockets;
    }

    /** Adds them. */
    public void addTo(Routes routes) {
        sockets.add(
                routes,
                "/v1/capsules/{id}/pty",
                (conversation, guest, ctx) ->
                        open(
                                conversation,
                                guest,
                                new TerminalOutput(conversation, ctx.header("Origin") != null)));
    }

    private static void open(Conversation conversation, GuestSession guest, TerminalOutput output) {
        var first =
                Sockets.first(conversation, START_LIMIT)
                        .orElseThrow(() ->
                                ApiException.invalid("the first message must be start or connect"));
        switch (first.path("type").asText()) {
            case "start" -> {
                var tag = "pty-" + UUID.randomUUID().toString().substring(0, 8);
                try (var stream = guest.start(order(first, tag))) {
                    new Terminal(conversation, guest, stream, output, tag).run();
                }
            }
            case "connect" -> {
                var tag =
                        ExecSockets.text(first, "tag")
                                .orElseThrow(() -> ApiException.invalid("tag is missing"));
                try (var stream = guest.connect(new ProcessSelector.ByTag(tag), true)) {
                    new Terminal(conversation, guest, stream, output, tag).run();
                }
            }
            default -> throw ApiException.invalid("the first message must be start or connect");
        }
    }

    /** One socket at one terminal. */
    private static final class Terminal {
        private final Conversation conversation;
        private final GuestSession guest;
        private final ProcessStream stream;
        private final TerminalOutput output;
        private final String tag;
        private final ProcessSelector process;

        Terminal(
                Conversation conversation,
                GuestSession guest,
                ProcessStream stream,
                TerminalOutput output,
                String tag) {
            this.conversation = conversation;
            this.guest = guest;
            this.stream = stream;
            this.output = output;
            this.tag = tag;
            this.process = new ProcessSelector.ByTag(tag);
        }

        void run() {
            conversation.soonAfterLeaving(stream::close);
            try (var forks = new Forks()) {
                forks.start(
                        "terminal input",
                        () -> {
                            type();
                            return true;
                        });
                for (var event = stream.next(); event.isPresent(); event = stream.next()) {
                    switch (event.get()) {
                        case ProcessEvent.Started(int pid) -> {
                            output.send(Sockets.message("started").put("tag", tag).put("pid", pid));
                            output.ask();
                        }
                        case ProcessEvent.Output(var _, var bytes) -> output.show(bytes);
                        case ProcessEvent.Ended(int code, var _, boolean _) -> {
                            output.send(Sockets.message("exit").put("exit_code", code));
                            conversation.close("");
                            return;
                        }
                    }
                }
            }
        }

        /** Does what the client sends, to the last message before it leaves. */
        private void type() {
            while (true) {
                var incoming = conversation.nextOfAny(PING_INTERVAL);
                if (incoming.isPresent()) {
                    take(incoming.get());
                } else if (conversation.hasEnded()) {
                    stream.close();
                    return;
                } else {
                    output.send(Sockets.message("ping"));
                }
            }
        }

        private void take(Incoming incoming) {
            switch (incoming) {
                case Incoming.Message(var json) -> obey(json);
                case Incoming.Bytes(var bytes) -> {
                    output.takes(Form.BINARY);
                    tolerating(() -> guest.sendPty(process, bytes));
                }
                case Incoming.End _ -> {}
            }
        }

        private void obey(JsonNode message) {
            switch (message.path("type").asText()) {
                case "input" -> {
                    output.takes(Form.BASE64);
                    tolerating(() -> input(message.path("data").asText()));
                }
                case "resize" -> tolerating(() -> resize(message));
                case "pong" -> output.answered();
                case "kill" -> tolerating(() -> guest.signal(process, Signal.KILL));
                default -> {
                    // whatever clients may send one day
                }
            }
        }

        /** A command that fails is told to the client; the terminal goes on. */
        private void tolerating(Runnable command) {
            try {
                command.run();
            } catch (WrennException e) {
                if (!conversation.hasEnded()) {
                    output.send(Sockets.message("error").put("data", e.shownMessage()));
                }
            }
        }

        private void input(String base64) {
            byte[] bytes;
            try {
                bytes = Base64.getDecoder().decode(base64);
            } catch (IllegalArgumentException _) {
                return; // the contract: what cannot be decoded is ignored
            }
            guest.sendPty(process, bytes);
        }

        private void resize(JsonNode message) {
            int columns = message.path("cols").asInt();
            int rows = message.path("rows").asInt();
            if (columns > 0 && rows > 0) {
                guest.resizePty(process, size(columns, rows));
            }
        }
    }

    private static PtySize size(int columns, int rows) {
        try {
            return new PtySize(columns, rows);
        } catch (IllegalArgumentException e) {
            throw ApiException.invalid(String.valueOf(e.getMessage()));
        }
    }

    private static ProcessStart order(JsonNode message, String tag) {
        int columns = message.path("cols").asInt(0);
        int rows = message.path("rows").asInt(0);
        return new ProcessStart(
                ExecSockets.text(message, "cmd").orElse("/bin/bash"),
                ExecSockets.texts(message.path("args")),
                ExecSockets.variables(message.path("envs")),
                ExecSockets.text(message, "cwd"),
                ExecSockets.text(message, "user"),
                Optional.of(tag),
                Optional.of(
                        size(
                                columns > 0 ? columns : DEFAULT_COLUMNS,
                                rows > 0 ? rows : DEFAULT_ROWS)),
                Optional.empty(),
                ProcessStart.DEFAULT_DRAIN_GRACE);
    }
}
