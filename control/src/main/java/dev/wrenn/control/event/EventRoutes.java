package dev.wrenn.control.event;

import dev.wrenn.base.Deadline;
import dev.wrenn.control.auth.Requests;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.JsonBody;
import dev.wrenn.control.http.Routes;
import io.javalin.http.Context;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.Optional;

/**
 * The stream of events as server-sent events (HTML standard, 9.2). Clients read only events that
 * they know, so whatever else there is to say is a comment.
 */
public final class EventRoutes {
    private static final Duration KEEPALIVE = Duration.ofSeconds(15);
    private static final Duration LOOK_INTERVAL = Duration.ofSeconds(1);

    private final EventFeed feed;
    private final Requests requests;
    private final InstantSource clock;

    /** Over that feed. */
    public EventRoutes(EventFeed feed, Requests requests, InstantSource clock) {
        this.feed = feed;
        this.requests = requests;
        this.clock = clock;
    }

    /** Adds the route. */
    public void addTo(Routes routes) {
        routes.get("/v1/events/stream", this::stream);
    }

    private void stream(Context ctx) {
        var team = requests.caller(ctx).team();
        var seen = lastSeen(ctx);
        try (var events = feed.subscribe(team)) {
            ctx.contentType("text/event-stream").header("Cache-Control", "no-store");
            send(ctx, events, seen);
        } catch (IOException _) {
            return; // the client went away, which is how these streams usually end
        }
    }

    private static Optional<EventPlace> lastSeen(Context ctx) {
        var id = Optional.ofNullable(ctx.header("Last-Event-ID")).filter(t -> !t.isEmpty());
        var place = id.flatMap(EventPlace::parse);
        if (id.isPresent() && place.isEmpty()) {
            throw ApiException.invalid("Last-Event-ID must be the id of an event of this stream");
        }
        return place;
    }

    private void send(Context ctx, EventFeed.Subscription events, Optional<EventPlace> seen)
            throws IOException {
        // The plain stream: each event must leave at once, not wait for others.
        var out = ctx.res().getOutputStream();
        write(out, "event: connected\ndata: " + connected() + "\n\n");
        if (seen.isPresent()) {
            replay(events, seen.get(), out);
        }
        var quiet = Deadline.after(KEEPALIVE);
        while (true) {
            var next = events.next(LOOK_INTERVAL);
            if (next.isPresent()) {
                write(out, frame(next.get()));
                quiet = Deadline.after(KEEPALIVE);
            } else if (events.ended().isPresent()) {
                write(out, ":closed: " + events.ended().get() + "\n\n");
                return;
            } else if (quiet.isPast()) {
                if (!isStillAllowed(ctx)) {
                    write(out, ":closed: the API key was revoked\n\n");
                    return;
                }
                write(out, ":keepalive\n\n");
                quiet = Deadline.after(KEEPALIVE);
            }
        }
    }

    private static void replay(EventFeed.Subscription events, EventPlace seen, OutputStream out)
            throws IOException {
        var place = seen;
        for (var missed = events.missedSince(place);
                !missed.isEmpty();
                missed = events.missedSince(place)) {
            for (var told : missed) {
                write(out, frame(told));
            }
            place = missed.getLast().place();
        }
    }

    private boolean isStillAllowed(Context ctx) {
        try {
            requests.caller(ctx);
            return true;
        } catch (ApiException _) {
            return false;
        }
    }

    private String connected() {
        return JsonBody.JSON
                .createObjectNode()
                .put("event", "connected")
                .put("timestamp", clock.instant().truncatedTo(ChronoUnit.SECONDS).toString())
                .toString();
    }

    private static String frame(EventFeed.Told told) {
        return "id: %s\nevent: %s\ndata: %s\n\n"
                .formatted(told.place().text(), told.kind(), told.json());
    }

    private static void write(OutputStream out, String text) throws IOException {
        out.write(text.getBytes(StandardCharsets.UTF_8));
        out.flush();
    }
}
