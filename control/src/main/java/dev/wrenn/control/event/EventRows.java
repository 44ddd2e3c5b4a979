package dev.wrenn.control.event;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.http.JsonBody;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import org.jdbi.v3.core.Jdbi;

/** Events in the database, read in the order of their transactions. */
final class EventRows {
    private static final String SELECT =
            """
            SELECT tx, id, team_id, kind, outcome, resource_type, resource_id, actor_type, actor_id,
                   actor_name, metadata, error, created_at FROM events
            """;

    private final Jdbi db;

    EventRows(Jdbi db) {
        this.db = db;
    }

    void insert(
            TeamId team,
            EventKind kind,
            String outcome,
            String resourceId,
            Actor actor,
            Map<String, String> metadata,
            String error,
            Instant at) {
        var keyId =
                switch (actor) {
                    case Actor.Key(var id) -> id;
                    case Actor.Platform _ -> "";
                };
        db.useHandle(h ->
                h.createUpdate(
                                """
                                INSERT INTO events
                                    (team_id, kind, outcome, resource_type, resource_id, actor_type,
                                     actor_id, actor_name, metadata, error, created_at)
                                VALUES (:team, :kind, :outcome, :type, :resource, :actorType, :key,
                                        coalesce((SELECT name FROM team_api_keys WHERE id = :key), ''),
                                        :metadata, :error, :at)
                                """)
                        .bind("team", team.text())
                        .bind("kind", kind.wire())
                        .bind("outcome", outcome)
                        .bind("type", kind.resourceType())
                        .bind("resource", resourceId)
                        .bind("actorType", keyId.isEmpty() ? "system" : "api_key")
                        .bind("key", keyId)
                        .bind("metadata", toJson(metadata))
                        .bind("error", error)
                        .bind("at", at.atOffset(ZoneOffset.UTC))
                        .execute());
    }

    /** The oldest transaction that may still write something. */
    long horizon() {
        return db.withHandle(h ->
                h.createQuery(
                                """
                                SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text)
                                            AS bigint)
                                """)
                        .mapTo(Long.class)
                        .one());
    }

    /** All of the transactions from the first, up to but without the last. */
    List<EventRow> between(long fromTx, long toTx) {
        return db.withHandle(h ->
                h.createQuery(SELECT + " WHERE tx >= :from AND tx < :to ORDER BY tx, id")
                        .bind("from", fromTx)
                        .bind("to", toTx)
                        .map((r, _) -> read(r))
                        .list());
    }

    /** Those of a team after a place and before a transaction, oldest first, at most so many. */
    List<EventRow> after(TeamId team, EventPlace place, long toTx, int most) {
        return db.withHandle(h ->
                h.createQuery(
                                SELECT
                                        + """
                                         WHERE team_id = :team AND (tx, id) > (:tx, :id)
                                           AND tx < :to
                                         ORDER BY tx, id LIMIT :most
                                        """)
                        .bind("team", team.text())
                        .bind("tx", place.tx())
                        .bind("id", place.id())
                        .bind("to", toTx)
                        .bind("most", most)
                        .map((r, _) -> read(r))
                        .list());
    }

    void deleteBefore(Instant time) {
        db.useHandle(h ->
                h.createUpdate("DELETE FROM events WHERE created_at < :time")
                        .bind("time", time.atOffset(ZoneOffset.UTC))
                        .execute());
    }

    private static EventRow read(ResultSet r) throws SQLException {
        return new EventRow(
                new EventPlace(r.getLong("tx"), r.getLong("id")),
                r.getString("team_id"),
                r.getString("kind"),
                r.getString("outcome"),
                r.getString("resource_type"),
                r.getString("resource_id"),
                r.getString("actor_type"),
                r.getString("actor_id"),
                r.getString("actor_name"),
                fromJson(r.getString("metadata")),
                r.getString("error"),
                r.getTimestamp("created_at").toInstant());
    }

    private static String toJson(Map<String, String> map) {
        try {
            return JsonBody.JSON.writeValueAsString(map);
        } catch (JsonProcessingException e) {
            throw new WrennException(Kind.BUG, "metadata cannot be written as JSON", e);
        }
    }

    private static Map<String, String> fromJson(String text) {
        try {
            return JsonBody.JSON.readValue(text, new TypeReference<>() {});
        } catch (JsonProcessingException e) {
            throw new WrennException(Kind.CORRUPT, "stored metadata is not JSON", e);
        }
    }
}
