package dev.wrenn.control.auth;

import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Optional;
import org.jdbi.v3.core.Jdbi;

/** Teams and keys in the database. */
final class ApiKeyRows {
    private final Jdbi db;

    ApiKeyRows(Jdbi db) {
        this.db = db;
    }

    /** A key whose team was not deleted. */
    record Found(String keyId, String teamId, Optional<Instant> lastUsed) {}

    Optional<Found> find(String hash) {
        return db.withHandle(h ->
                h.createQuery(
                                """
                                SELECT k.id, k.team_id, k.last_used
                                FROM team_api_keys k JOIN teams t ON t.id = k.team_id
                                WHERE k.key_hash = :hash AND t.deleted_at IS NULL
                                """)
                        .bind("hash", hash)
                        .map((r, _) ->
                                new Found(
                                        r.getString(1),
                                        r.getString(2),
                                        Optional.ofNullable(r.getTimestamp(3))
                                                .map(t -> t.toInstant())))
                        .findOne());
    }

    List<ApiKey> list(String teamId) {
        return db.withHandle(h ->
                h.createQuery(
                                """
                                SELECT id, name, key_prefix, created_at, last_used
                                FROM team_api_keys WHERE team_id = :team
                                ORDER BY created_at DESC, id
                                """)
                        .bind("team", teamId)
                        .map((r, _) ->
                                new ApiKey(
                                        r.getString(1),
                                        r.getString(2),
                                        r.getString(3),
                                        r.getTimestamp(4).toInstant(),
                                        Optional.ofNullable(r.getTimestamp(5))
                                                .map(t -> t.toInstant())))
                        .list());
    }

    boolean deleteKey(String keyId) {
        return db.withHandle(h ->
                h.createUpdate("DELETE FROM team_api_keys WHERE id = :id")
                        .bind("id", keyId)
                        .execute())
                > 0;
    }

    void used(String keyId, Instant at) {
        db.useHandle(h ->
                h.createUpdate("UPDATE team_api_keys SET last_used = :at WHERE id = :id")
                        .bind("at", at.atOffset(ZoneOffset.UTC))
                        .bind("id", keyId)
                        .execute());
    }

    Optional<String> teamBySlug(String slug) {
        return db.withHandle(h ->
                h.createQuery("SELECT id FROM teams WHERE slug = :slug AND deleted_at IS" + " NULL")
                        .bind("slug", slug)
                        .mapTo(String.class)
                        .findOne());
    }

    void insertTeam(String id, String name, String slug, Instant at) {
        db.useHandle(h ->
                h.createUpdate(
                                """
                                INSERT INTO teams (id, name, slug, created_at)
                                VALUES (:id, :name, :slug, :at)
                                ON CONFLICT (slug) DO NOTHING
                                """)
                        .bind("id", id)
                        .bind("name", name)
                        .bind("slug", slug)
                        .bind("at", at.atOffset(ZoneOffset.UTC))
                        .execute());
    }

    void deleteTeam(String id, Instant at) {
        db.useHandle(h ->
                h.createUpdate("UPDATE teams SET deleted_at = :at WHERE id = :id")
                        .bind("id", id)
                        .bind("at", at.atOffset(ZoneOffset.UTC))
                        .execute());
    }

    void insertKey(String id, String teamId, String name, String hash, String prefix, Instant at) {
        db.useHandle(h ->
                h.createUpdate(
                                """
                                INSERT INTO team_api_keys
                                    (id, team_id, name, key_hash, key_prefix, created_at)
                                VALUES (:id, :team, :name, :hash, :prefix, :at)
                                """)
                        .bind("id", id)
                        .bind("team", teamId)
                        .bind("name", name)
                        .bind("hash", hash)
                        .bind("prefix", prefix)
                        .bind("at", at.atOffset(ZoneOffset.UTC))
                        .execute());
    }
}
