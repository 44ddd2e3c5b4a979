package dev.wrenn.control.event;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
import dev.wrenn.base.Pause;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jdbi.v3.core.Jdbi;

/**
 * Hands events to those who follow them. One thread looks into the database for all of them, so
 * that it does not matter which server did what; it looks only while somebody follows.
 *
 * <p>Each subscription knows up to which transaction it has heard everything, and the thread moves
 * it on to the oldest transaction that is still open: nothing is told twice, and nothing is missed
 * that commits late. That place is written by this thread only.
 */
public final class EventFeed implements Resource {
    private static final Duration LOOK_INTERVAL = Duration.ofMillis(200);
    private static final Duration REST_AFTER_FAILURE = Duration.ofSeconds(5);
    private static final Duration PURGE_INTERVAL = Duration.ofMinutes(10);
    private static final Duration KEPT = Duration.ofDays(1);
    private static final Duration FAREWELL_LIMIT = Duration.ofSeconds(2);
    private static final Duration FAREWELL_LOOK = Duration.ofMillis(10);
    private static final Told NOTHING = new Told(new EventPlace(0, 0), "", "");
    private static final int WAITING_EVENTS = 1_000;
    private static final int FOLLOWERS_PER_TEAM = 100;
    private static final int REPLAYED_AT_ONCE = 200;

    private final EventRows rows;
    private final Function<String, Optional<ObjectNode>> capsules;
    private final Set<Subscription> subscriptions = ConcurrentHashMap.newKeySet();
    private final Set<Subscription> open = ConcurrentHashMap.newKeySet(); // ended ones too
    private final Loop looking;
    private final Loop purging;
    private Deadline rest = Deadline.after(Duration.ZERO); // the looking thread's own

    private EventFeed(
            Jdbi db, Function<String, Optional<ObjectNode>> capsules, InstantSource clock) {
        this.rows = new EventRows(db);
        this.capsules = capsules;
        this.looking = Loop.every("events", LOOK_INTERVAL, this::look);
        this.purging =
                Loop.every(
                        "old-events",
                        PURGE_INTERVAL,
                        () -> rows.deleteBefore(clock.instant().minus(KEPT)));
    }

    /**
     * Starts it on that database.
     *
     * @param capsules describes a capsule by its id
     */
    public static EventFeed start(
            Jdbi db, Function<String, Optional<ObjectNode>> capsules, InstantSource clock) {
        return new EventFeed(db, capsules, clock);
    }

    /**
     * What happens to a team from now on.
     *
     * @throws ApiException QUOTA_EXCEEDED if too many follow it already
     */
    Subscription subscribe(TeamId team) {
        long followers = subscriptions.stream().filter(s -> s.team.equals(team)).count();
        if (followers >= FOLLOWERS_PER_TEAM) {
            throw new ApiException(
                    ErrorCode.QUOTA_EXCEEDED,
                    "%d streams of events are open for this team; close one first"
                            .formatted(FOLLOWERS_PER_TEAM));
        }
        var subscription = new Subscription(team, rows.horizon());
        open.add(subscription);
        subscriptions.add(subscription);
        return subscription;
    }

    /** What one client hears. Used by one thread, but for the feed's own. */
    final class Subscription implements Resource {
        private final TeamId team;
        private final long start;
        private final BlockingQueue<Told> waiting = new ArrayBlockingQueue<>(WAITING_EVENTS);
        private volatile Optional<String> ended = Optional.empty();
        private long heardUpTo; // the looking thread's own, once this is in the set

        private Subscription(TeamId team, long start) {
            this.team = team;
            this.start = start;
            this.heardUpTo = start;
        }

        /** What happened between a place and the subscription: a piece, oldest first. */
        List<Told> missedSince(EventPlace place) {
            return rows.after(team, place, start, REPLAYED_AT_ONCE).stream()
                    .map(EventFeed.this::told)
                    .toList();
        }

        /** Waits for the next event; empty if the time is over or the subscription has ended. */
        Optional<Told> next(Duration limit) {
            try {
                long patienceMillis = ended.isPresent() ? 0 : limit.toMillis();
                return Optional.ofNullable(waiting.poll(patienceMillis, TimeUnit.MILLISECONDS))
                        .filter(t -> !t.equals(NOTHING));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new WrennException(Kind.UNAVAILABLE, "waiting for events was interrupted", e);
            }
        }

        /** Why nothing more will come, once that is so. */
        Optional<String> ended() {
            return ended;
        }

        private void hear(Told told) {
            if (!waiting.offer(told)) {
                end("events came faster than they were read; connect again with Last-Event-ID");
            }
        }

        private void end(String reason) {
            ended = Optional.of(reason);
            subscriptions.remove(this);
            var _ = waiting.offer(NOTHING); // wakes its reader; with a full queue it is awake
        }

        @Override
        public void close() {
            subscriptions.remove(this);
            open.remove(this);
        }
    }

    /**
     * An event as it is sent.
     *
     * @param json without line breaks
     */
    record Told(EventPlace place, String kind, String json) {}

    private Told told(EventRow event) {
        var json = event.json();
        if (event.isOfCapsule()) {
            capsules.apply(event.resourceId()).ifPresent(c -> json.set("sandbox", c));
        }
        return new Told(event.place(), event.kind(), json.toString());
    }

    private void look() {
        var followers = List.copyOf(subscriptions);
        if (followers.isEmpty() || !rest.isPast()) {
            return;
        }
        try {
            look(followers);
        } catch (RuntimeException e) {
            rest = Deadline.after(REST_AFTER_FAILURE);
            throw e;
        }
    }

    private void look(List<Subscription> followers) {
        long from = followers.stream().mapToLong(s -> s.heardUpTo).min().orElseThrow();
        long to = rows.horizon();
        if (to <= from) {
            return;
        }
        for (var event : rows.between(from, to)) {
            var hearing =
                    followers.stream()
                            .filter(s -> s.team.text().equals(event.team()))
                            .filter(s -> event.place().tx() >= s.heardUpTo)
                            .toList();
            if (!hearing.isEmpty()) {
                var told = told(event);
                hearing.forEach(s -> s.hear(told));
            }
        }
        followers.forEach(s -> s.heardUpTo = to);
    }

    /** Ends all streams, which tells their clients. */
    @Override
    public void close() {
        looking.close();
        purging.close();
        subscriptions.forEach(s -> s.end("the server stops; connect again"));
        // A client that does not read would hold the end up for as long as it likes.
        var _ = Pause.until(open::isEmpty, FAREWELL_LOOK, Deadline.after(FAREWELL_LIMIT));
    }
}
