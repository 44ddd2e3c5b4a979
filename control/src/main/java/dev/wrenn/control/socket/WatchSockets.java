package dev.wrenn.control.socket;

import dev.wrenn.base.Forks;
import dev.wrenn.contract.guest.FileChange;
import dev.wrenn.contract.guest.FileWatch;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.JsonBody;
import dev.wrenn.control.http.Routes;
import java.time.Duration;

/**
 * Watches of directories. A client that reads slowly holds the reading of changes up; the guest
 * keeps them meanwhile, and if they become too many the watch ends with an error, so that whoever
 * follows a directory knows that it must look again.
 */
public final class WatchSockets {
    private static final Duration START_LIMIT = Duration.ofSeconds(60);
    private static final Duration LISTENING = Duration.ofDays(1);

    private final Sockets sockets;

    /** Over those. */
    public WatchSockets(Sockets sockets) {
        this.sockets = sockets;
    }

    /** Adds the route. */
    public void addTo(Routes routes) {
        sockets.add(
                routes,
                "/v1/capsules/{id}/files/watch",
                (conversation, guest, _) -> start(conversation, guest));
    }

    private static void start(Conversation conversation, GuestSession guest) {
        var first =
                Sockets.first(conversation, START_LIMIT)
                        .filter(m -> m.path("type").asText().equals("start"))
                        .orElseThrow(() -> ApiException.invalid("the first message must be start"));
        var order = JsonBody.of(first);
        try (var watch = guest.watch(order.requiredText("path"), order.flag("recursive"))) {
            follow(conversation, watch);
        }
    }

    private static void follow(Conversation conversation, FileWatch watch) {
        conversation.soonAfterLeaving(watch::close);
        conversation.send(Sockets.message("started"));
        try (var forks = new Forks()) {
            forks.start(
                    "watch listener",
                    () -> {
                        passOver(conversation);
                        watch.close();
                        return true;
                    });
            for (var next = watch.next(); next.isPresent(); next = watch.next()) {
                var change = next.get();
                conversation.send(
                        Sockets.message("change")
                                .put("change", wire(change.kind()))
                                .put("name", change.name()));
            }
        }
    }

    /** There is nothing to say to a watch; returns when the client has left. */
    private static void passOver(Conversation conversation) {
        while (conversation.next(LISTENING).isPresent() || !conversation.hasEnded()) {
            // whatever clients may send one day
        }
    }

    private static String wire(FileChange.Kind kind) {
        return switch (kind) {
            case CREATE -> "create";
            case WRITE -> "write";
            case REMOVE -> "remove";
            case RENAME -> "rename";
            case CHMOD -> "chmod";
        };
    }
}
