package dev.wrenn.control.socket;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.base.Forks;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.control.auth.ApiKeys;
import dev.wrenn.control.auth.Caller;
import dev.wrenn.control.auth.Credentials;
import dev.wrenn.control.capsule.Capsules;
import dev.wrenn.control.http.ErrorResponse;
import dev.wrenn.control.http.JsonBody;
import dev.wrenn.control.http.Routes;
import io.javalin.websocket.WsConfig;
import io.javalin.websocket.WsContext;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/**
 * What all WebSocket routes share: who calls, which capsule, and how a conversation ends.
 *
 * <p>A wrong credential in a header is refused before the upgrade. Without one, the first message
 * must bring it. Everything that goes wrong later is told within the conversation, for clients of
 * these routes do not read refused upgrades.
 */
public final class Sockets {
    private static final Duration AUTHENTICATION_LIMIT = Duration.ofSeconds(5);
    private static final Duration PING_INTERVAL = Duration.ofSeconds(60); // below the idle limit

    private final ApiKeys keys;
    private final Capsules capsules;
    private final Map<String, Conversation> open = new ConcurrentHashMap<>();

    /** Over those rules. */
    public Sockets(ApiKeys keys, Capsules capsules) {
        this.keys = keys;
        this.capsules = capsules;
    }

    /** What a route does with its guest. */
    interface Talk {
        /** Runs on a thread of its own until the conversation is over. */
        void run(Conversation conversation, GuestSession guest, WsContext context);
    }

    /** Adds a route. */
    void add(Routes routes, String path, Talk talk) {
        routes.socket(
                path,
                ctx -> {
                    var shown = Credentials.shown(ctx::header);
                    if (shown.isPresent()) {
                        keys.authenticate(shown);
                    }
                    var _ = Capsules.parse(ctx.pathParam("id"));
                },
                ws -> listen(ws, talk));
    }

    private void listen(WsConfig ws, Talk talk) {
        ws.onConnect(ctx -> {
            var conversation = new Conversation(ctx.session);
            ctx.enableAutomaticPings(PING_INTERVAL.toSeconds(), TimeUnit.SECONDS);
            open.put(ctx.sessionId(), conversation);
            Forks.background(
                    "socket-" + ctx.sessionId(),
                    () -> {
                        try {
                            converse(conversation, ctx, talk);
                        } finally {
                            open.remove(ctx.sessionId());
                        }
                    });
        });
        ws.onMessage(ctx -> {
            var conversation = open.get(ctx.sessionId());
            if (conversation != null) {
                conversation.received(ctx.message());
            }
        });
        ws.onBinaryMessage(ctx -> {
            var conversation = open.get(ctx.sessionId());
            if (conversation != null) {
                conversation.received(ctx.data());
            }
        });
        ws.onClose(ctx -> {
            var conversation = open.get(ctx.sessionId());
            if (conversation != null) {
                conversation.left();
            }
        });
    }

    private void converse(Conversation conversation, WsContext ctx, Talk talk) {
        try {
            var caller = caller(conversation, ctx);
            var row = capsules.get(caller.team(), ctx.pathParam("id"));
            try (var guest = capsules.session(row, "stream from")) {
                talk.run(conversation, guest, ctx);
            } finally {
                capsules.touched(row.id());
            }
            conversation.close("");
        } catch (RuntimeException e) {
            if (!conversation.hasEnded()) {
                refuse(conversation, e);
            }
        }
    }

    private static void refuse(Conversation conversation, RuntimeException failure) {
        var shown = ErrorResponse.of(failure, UUID.randomUUID().toString());
        try {
            conversation.send(message("error").put("data", shown.message()).put("fatal", true));
        } catch (WrennException _) {
            return; // the client went away before it could be told
        }
        conversation.close(shown.message());
    }

    private Caller caller(Conversation conversation, WsContext ctx) {
        var shown = Credentials.shown(ctx::header);
        if (shown.isPresent()) {
            return keys.authenticate(shown);
        }
        var token =
                conversation
                        .next(AUTHENTICATION_LIMIT)
                        .filter(Sockets::isAuthentication)
                        .map(m -> m.path("token").asText());
        return keys.authenticate(token);
    }

    /** The first message that is no (second) authentication. */
    static Optional<JsonNode> first(Conversation conversation, Duration limit) {
        var message = conversation.next(limit);
        return message.filter(Sockets::isAuthentication).isPresent()
                ? conversation.next(limit)
                : message;
    }

    private static boolean isAuthentication(JsonNode message) {
        return message.path("type").asText().equals("auth");
    }

    static ObjectNode message(String type) {
        return JsonBody.JSON.createObjectNode().put("type", type);
    }
}
