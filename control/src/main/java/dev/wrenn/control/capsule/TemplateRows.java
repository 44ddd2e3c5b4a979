package dev.wrenn.control.capsule;

import dev.wrenn.contract.TemplateId;
import dev.wrenn.control.auth.TeamId;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.mapper.RowMapper;

/** Templates in the database. */
final class TemplateRows {
    private static final String COLUMNS =
            "id, team_id, name, type, vcpus, memory_mb, size_bytes, created_at, defaults,"
                    + " revision";
    private static final RowMapper<TemplateRow> MAPPER =
            (r, _) ->
                    new TemplateRow(
                            new TemplateId(UUID.fromString(r.getString("id"))),
                            new TeamId(r.getString("team_id")),
                            r.getString("name"),
                            r.getString("type").equals("snapshot"),
                            r.getInt("vcpus"),
                            r.getInt("memory_mb"),
                            r.getLong("size_bytes"),
                            r.getTimestamp("created_at").toInstant(),
                            TemplateDefaults.parse(r.getString("defaults")),
                            r.getString("revision"));

    private final Jdbi db;

    TemplateRows(Jdbi db) {
        this.db = db;
    }

    /**
     * A template as it is stored.
     *
     * @param isSnapshot whether it brings its own shape
     * @param defaults what it gives to its capsules
     * @param revision what a stock template was made by; empty for others
     */
    record TemplateRow(
            TemplateId id,
            TeamId team,
            String name,
            boolean isSnapshot,
            int vcpus,
            int memoryMb,
            long sizeBytes,
            Instant createdAt,
            TemplateDefaults defaults,
            String revision) {}

    /** The team's own template of that name, else the platform's. */
    Optional<TemplateRow> visible(TeamId team, String name) {
        return db.withHandle(h ->
                h.createQuery(
                                "SELECT "
                                        + COLUMNS
                                        + " FROM templates WHERE name = :name AND team_id"
                                        + " IN (:team, :platform)"
                                        + " ORDER BY team_id = :platform")
                        .bind("name", name)
                        .bind("team", team.text())
                        .bind("platform", TeamId.PLATFORM.text())
                        .map(MAPPER)
                        .findFirst());
    }

    /** Every template the team can use, newest first. */
    List<TemplateRow> all(TeamId team) {
        return db.withHandle(h ->
                h.createQuery(
                                "SELECT "
                                        + COLUMNS
                                        + " FROM templates WHERE team_id IN (:team,"
                                        + " :platform) ORDER BY created_at DESC, name")
                        .bind("team", team.text())
                        .bind("platform", TeamId.PLATFORM.text())
                        .map(MAPPER)
                        .list());
    }

    /**
     * Stores a template, in place of the team's one of that name if there is one.
     *
     * @return the template it replaced
     */
    Optional<TemplateId> put(TemplateRow row) {
        return db.inTransaction(h -> {
            // One at a time for a team: of two who replace one name, the later one replaces.
            h.execute("SELECT id FROM teams WHERE id = ? FOR UPDATE", row.team().text());
            var old =
                    h.createQuery(
                                    """
                                    DELETE FROM templates
                                    WHERE team_id = :team AND name = :name RETURNING id
                                    """)
                            .bind("team", row.team().text())
                            .bind("name", row.name())
                            .mapTo(UUID.class)
                            .findOne();
            insert(h, row);
            return old.map(TemplateId::new);
        });
    }

    /**
     * Stores a template unless the team has one of that name.
     *
     * @return whether it was stored
     */
    boolean insert(TemplateRow row) {
        return db.withHandle(h -> insert(h, row));
    }

    private static boolean insert(Handle h, TemplateRow row) {
        return h.createUpdate(
                                """
                                INSERT INTO templates (id, team_id, name, type, vcpus,
                                                       memory_mb, size_bytes, created_at,
                                                       defaults, revision)
                                VALUES (:id, :team, :name, :type, :vcpus, :memory, :size, :at,
                                        :defaults, :revision)
                                ON CONFLICT (team_id, name) DO NOTHING
                                """)
                        .bind("id", row.id().uuid())
                        .bind("team", row.team().text())
                        .bind("name", row.name())
                        .bind("type", row.isSnapshot() ? "snapshot" : "base")
                        .bind("vcpus", row.vcpus())
                        .bind("memory", row.memoryMb())
                        .bind("size", row.sizeBytes())
                        .bind("at", row.createdAt().atOffset(ZoneOffset.UTC))
                        .bind("defaults", row.defaults().toJson())
                        .bind("revision", row.revision())
                        .execute()
                > 0;
    }

    boolean isStored(TemplateId id) {
        return db.withHandle(h ->
                h.createQuery("SELECT count(*) FROM templates WHERE id = :id")
                                .bind("id", id.uuid())
                                .mapTo(Integer.class)
                                .one()
                        > 0);
    }

    boolean delete(TemplateId id) {
        return db.withHandle(h ->
                h.createUpdate("DELETE FROM templates WHERE id = :id")
                        .bind("id", id.uuid())
                        .execute())
                > 0;
    }
}
