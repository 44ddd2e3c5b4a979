package dev.wrenn.control.event;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.control.auth.TeamId;
import java.time.InstantSource;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jdbi.v3.core.Jdbi;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Notes what is done with the things of a team. An event is news, no state: one that cannot be
 * noted is logged, and what it tells of goes on.
 */
public final class Events {
    private static final Logger LOG = LoggerFactory.getLogger(Events.class);

    private final EventRows rows;
    private final InstantSource clock;

    /** In that database. */
    public Events(Jdbi db, InstantSource clock) {
        this.rows = new EventRows(db);
        this.clock = clock;
    }

    /**
     * What is done, by whom, to what.
     *
     * @param resourceId of a capsule its id, of a template its name
     * @param metadata what else there is to know
     */
    public record Action(
            EventKind kind,
            TeamId team,
            Actor actor,
            String resourceId,
            Map<String, String> metadata) {
        /** Copies the map. */
        public Action {
            metadata = Map.copyOf(metadata);
        }

        /** Without anything else to know. */
        public Action(EventKind kind, TeamId team, Actor actor, String resourceId) {
            this(kind, team, actor, resourceId, Map.of());
        }
    }

    /** Wraps an operation: does it and notes how it went. */
    public <T> Callable<T> noted(Action action, Callable<T> operation) {
        return () -> {
            T done;
            try {
                done = operation.call();
            } catch (RuntimeException e) {
                write(action, "error", shown(e));
                throw e;
            }
            write(action, "success", "");
            return done;
        };
    }

    /** Does it at once and notes how it went. */
    public void note(Action action, Runnable operation) {
        try {
            operation.run();
        } catch (RuntimeException e) {
            write(action, "error", shown(e));
            throw e;
        }
        write(action, "success", "");
    }

    private static String shown(RuntimeException failure) {
        return failure instanceof WrennException e && e.kind() != Kind.BUG
                ? e.shownMessage()
                : "internal error";
    }

    private void write(Action action, String outcome, String error) {
        try {
            rows.insert(
                    action.team(),
                    action.kind(),
                    outcome,
                    action.resourceId(),
                    action.actor(),
                    action.metadata(),
                    error,
                    clock.instant());
        } catch (RuntimeException e) {
            LOG.atError()
                    .setCause(e)
                    .addKeyValue("event", action.kind())
                    .addKeyValue("resource", action.resourceId())
                    .log("an event is lost");
        }
    }
}
