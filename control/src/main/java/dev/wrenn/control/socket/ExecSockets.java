package dev.wrenn.control.socket;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.contract.guest.ProcessEvent;
import dev.wrenn.contract.guest.ProcessSelector;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.contract.guest.ProcessStream;
import dev.wrenn.contract.guest.Signal;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.JsonBody;
import dev.wrenn.control.http.Routes;
import dev.wrenn.control.process.Limits;
import dev.wrenn.control.process.Selectors;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Streams of commands: start one and follow it, or follow one that runs. */
public final class ExecSockets {
    private static final Duration START_LIMIT = Duration.ofSeconds(60);
    private static final Duration LISTENING = Duration.ofDays(1);
    private static final Duration STOP_GRACE = Duration.ofSeconds(5);

    private final Sockets sockets;

    /** Over those. */
    public ExecSockets(Sockets sockets) {
        this.sockets = sockets;
    }

    /** Adds them. */
    public void addTo(Routes routes) {
        sockets.add(
                routes,
                "/v1/capsules/{id}/exec/stream",
                (conversation, guest, _) -> start(conversation, guest));
        sockets.add(
                routes,
                "/v1/capsules/{id}/processes/{selector}/stream",
                (conversation, guest, ctx) ->
                        attach(
                                conversation,
                                guest,
                                ctx.pathParam("selector"),
                                Encoding.parse(
                                        Optional.ofNullable(ctx.queryParam("encoding"))
                                                .orElse(""))));
    }

    private static void start(Conversation conversation, GuestSession guest) {
        var order =
                Sockets.first(conversation, START_LIMIT)
                        .filter(m -> m.path("type").asText().equals("start"))
                        .orElseThrow(() -> ApiException.invalid("the first message must be start"));
        var encoding = Encoding.parse(order.path("encoding").asText(""));
        try (var stream = guest.start(order(order))) {
            follow(conversation, guest, stream, encoding);
        }
    }

    private static void attach(
            Conversation conversation, GuestSession guest, String selector, Encoding encoding) {
        try (var stream = guest.connect(Selectors.parse(selector), false)) {
            follow(conversation, guest, stream, encoding);
        }
    }

    /** How output travels in {@code data}. */
    private enum Encoding {
        /** As text; what is no UTF-8 becomes U+FFFD. */
        UTF_8,
        /** Byte for byte. */
        BASE64;

        static Encoding parse(String name) {
            return switch (name) {
                case "", "utf-8" -> UTF_8;
                case "base64" -> BASE64;
                default -> throw ApiException.invalid("encoding must be utf-8 or base64");
            };
        }

        Output output() {
            return switch (this) {
                case UTF_8 -> new TextOutput();
                case BASE64 -> new Base64Output();
            };
        }
    }

    private static void follow(
            Conversation conversation,
            GuestSession guest,
            ProcessStream stream,
            Encoding encoding) {
        var pid = new int[1];
        conversation.soonAfterLeaving(stream::close);
        try (var forks = new Forks()) {
            forks.start(
                    "commands",
                    () -> {
                        obey(conversation, guest, stream, pid);
                        return true;
                    });
            var stdout = encoding.output();
            var stderr = encoding.output();
            for (var event = stream.next(); event.isPresent(); event = stream.next()) {
                switch (event.get()) {
                    case ProcessEvent.Started(int number) -> {
                        pid[0] = number;
                        conversation.send(Sockets.message("start").put("pid", number));
                    }
                    case ProcessEvent.Output(var channel, var bytes) -> {
                        boolean isError = channel == ProcessEvent.Channel.STDERR;
                        var text = (isError ? stderr : stdout).decode(bytes);
                        sendText(conversation, isError ? "stderr" : "stdout", text);
                    }
                    case ProcessEvent.Ended(int code, var _, boolean timedOut) -> {
                        sendText(conversation, "stdout", stdout.end());
                        sendText(conversation, "stderr", stderr.end());
                        if (timedOut) {
                            throw new WrennException(
                                    Kind.UNAVAILABLE, "the command was killed at its limit");
                        }
                        conversation.send(Sockets.message("exit").put("exit_code", code));
                        conversation.close("");
                        return;
                    }
                }
            }
        }
    }

    /** Ends the process when the client says stop, and the stream when the client leaves. */
    private static void obey(
            Conversation conversation, GuestSession guest, ProcessStream stream, int[] pid) {
        while (true) {
            var message = conversation.next(LISTENING);
            if (message.isEmpty() && conversation.hasEnded()) {
                stream.close();
                return;
            }
            if (message.isPresent()
                    && message.get().path("type").asText().equals("stop")
                    && pid[0] > 0) {
                stop(conversation, guest, new ProcessSelector.ByPid(pid[0]));
            }
        }
    }

    /** Whether the client left, or the process ended and this thread is not needed any more. */
    private static boolean isOver(Conversation conversation) {
        return conversation.hasEnded() || Thread.currentThread().isInterrupted();
    }

    /** Asks the process to end, and makes it if it does not; its end is told like any other. */
    private static void stop(
            Conversation conversation, GuestSession guest, ProcessSelector process) {
        try {
            guest.signal(process, Signal.TERM);
            var grace = Deadline.after(STOP_GRACE);
            while (!isOver(conversation) && !grace.isPast()) {
                var _ = conversation.next(grace.left()); // there is nothing left to say
            }
            if (!isOver(conversation)) {
                guest.signal(process, Signal.KILL);
            }
        } catch (WrennException e) {
            if (e.kind() != Kind.ABSENT) { // it has ended meanwhile
                throw e;
            }
        }
    }

    private static void sendText(Conversation conversation, String type, String text) {
        if (!text.isEmpty()) {
            conversation.send(Sockets.message(type).put("data", text));
        }
    }

    private static ProcessStart order(JsonNode message) {
        var command = message.path("cmd").asText("");
        if (command.isEmpty()) {
            throw ApiException.invalid("cmd must name a program");
        }
        var limit = Limits.of(message.path("timeout_sec").asLong(0));
        return new ProcessStart(
                command,
                texts(message.path("args")),
                variables(message.path("envs")),
                text(message, "cwd"),
                text(message, "user"),
                text(message, "tag"),
                Optional.empty(),
                limit,
                ProcessStart.DEFAULT_DRAIN_GRACE);
    }

    static Optional<String> text(JsonNode message, String field) {
        return Optional.of(message.path(field).asText("")).filter(t -> !t.isEmpty());
    }

    static List<String> texts(JsonNode array) {
        var texts = new ArrayList<String>();
        array.forEach(v -> texts.add(v.asText()));
        return texts;
    }

    static Map<String, String> variables(JsonNode object) {
        var texts = new HashMap<String, String>();
        object.properties().forEach(e -> texts.put(e.getKey(), e.getValue().asText()));
        texts.forEach(JsonBody::requireVariable);
        return texts;
    }
}
