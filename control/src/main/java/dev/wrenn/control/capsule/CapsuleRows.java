package dev.wrenn.control.capsule;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.http.JsonBody;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;

/**
 * Capsules in the database. Every change names the state it starts from, so that of two writers one
 * finds nothing to change.
 */
final class CapsuleRows {
    private static final String COLUMNS =
            """
            id, team_id, template_name, template_id, status, generation, vcpus, memory_mb,
            timeout_sec, auto_resume, private_ports, host_ip, metadata, reason, server_run, created_at, started_at,
            last_active_at, last_updated, forked_from
            """;

    private final Jdbi db;

    CapsuleRows(Jdbi db) {
        this.db = db;
    }

    /**
     * Inserts pending capsules of one team, all of them, unless it would then have more than it may
     * have; under a lock on the team's row, so that two creates cannot pass the limit together.
     */
    boolean insert(List<CapsuleRow> rows, TemplateDefaults defaults, int limit) {
        var team = rows.getFirst().team();
        return db.inTransaction(h -> {
            h.createQuery("SELECT id FROM teams WHERE id = :team FOR UPDATE")
                    .bind("team", team.text())
                    .mapTo(String.class)
                    .one();
            long alive =
                    h.createQuery(
                                    """
                                    SELECT count(*) FROM capsules
                                    WHERE team_id = :team
                                      AND status NOT IN ('stopped', 'error')
                                    """)
                            .bind("team", team.text())
                            .mapTo(Long.class)
                            .one();
            if (alive + rows.size() > limit) {
                return false;
            }
            rows.forEach(row -> insert(h, row, defaults));
            return true;
        });
    }

    private static void insert(Handle h, CapsuleRow row, TemplateDefaults defaults) {
        h.createUpdate(
                        """
                        INSERT INTO capsules
                            (id, team_id, template_name, template_id, status, vcpus,
                             memory_mb, timeout_sec, auto_resume, private_ports,
                             server_run, created_at, last_updated, defaults, forked_from)
                        VALUES (:id, :team, :name, :template, :status, :vcpus, :memory,
                                :timeout, :autoResume, :private, :run, :at, :at, :defaults,
                                :parent)
                        """)
                .bind("id", row.id().text())
                .bind("team", row.team().text())
                .bind("name", row.templateName())
                .bind("template", row.template().uuid())
                .bind("status", row.status().wire())
                .bind("vcpus", row.vcpus())
                .bind("memory", row.memoryMb())
                .bind("timeout", row.timeoutSec())
                .bind("autoResume", row.ports().autoResume())
                .bind("private", row.ports().arePrivate())
                .bind("run", row.serverRun())
                .bind("at", row.createdAt().atOffset(ZoneOffset.UTC))
                .bind("defaults", defaults.toJson())
                .bind("parent", row.forkedFrom().map(CapsuleId::text))
                .execute();
    }

    Optional<CapsuleRow> find(CapsuleId id) {
        return db.withHandle(h ->
                h.createQuery("SELECT " + COLUMNS + " FROM capsules WHERE id = :id")
                        .bind("id", id.text())
                        .map((r, _) -> read(r))
                        .findOne());
    }

    /** What the template gave to a capsule. */
    TemplateDefaults defaultsOf(CapsuleId id) {
        return TemplateDefaults.parse(
                db.withHandle(h ->
                        h.createQuery("SELECT defaults FROM capsules WHERE id = :id")
                                .bind("id", id.text())
                                .mapTo(String.class)
                                .one()));
    }

    List<CapsuleRow> listOf(TeamId team) {
        return db.withHandle(h ->
                h.createQuery(
                                "SELECT "
                                        + COLUMNS
                                        + """
                                         FROM capsules
                                        WHERE team_id = :team
                                          AND status NOT IN ('stopped', 'error')
                                        ORDER BY created_at DESC, id DESC
                                        """)
                        .bind("team", team.text())
                        .map((r, _) -> read(r))
                        .list());
    }

    /** All that are not destroyed and did not fail. */
    List<CapsuleRow> alive() {
        return db.withHandle(h ->
                h.createQuery(
                                "SELECT "
                                        + COLUMNS
                                        + " FROM capsules WHERE status NOT IN ('stopped',"
                                        + " 'error')")
                        .map((r, _) -> read(r))
                        .list());
    }

    /** What a host report changes; an older report, or one of a destroyed capsule, changes none. */
    boolean apply(
            CapsuleId id,
            Status status,
            long generation,
            int vcpus,
            int memoryMb,
            String hostIp,
            Map<String, String> metadata,
            String reason,
            Instant startedAt,
            Instant lastActiveAt,
            Instant now) {
        return db.withHandle(h ->
                h.createUpdate(
                                """
                                UPDATE capsules SET
                                    status = :status, generation = :generation,
                                    vcpus = :vcpus, memory_mb = :memory,
                                    host_ip = CASE WHEN :ip = '' THEN host_ip
                                                   ELSE :ip END,
                                    metadata = :metadata, reason = :reason,
                                    started_at = coalesce(:started, started_at),
                                    last_active_at =
                                        coalesce(:active, last_active_at),
                                    last_updated = :now
                                WHERE id = :id AND status <> 'stopped'
                                  AND generation < :generation
                                """)
                        .bind("id", id.text())
                        .bind("status", status.wire())
                        .bind("generation", generation)
                        .bind("vcpus", vcpus)
                        .bind("memory", memoryMb)
                        .bind("ip", hostIp)
                        .bind("metadata", toJson(metadata))
                        .bind("reason", reason)
                        .bind("started", orNull(startedAt))
                        .bind("active", orNull(lastActiveAt))
                        .bind("now", now.atOffset(ZoneOffset.UTC))
                        .execute())
                > 0;
    }

    /** Ends a capsule for good, from any state but the given ones. */
    boolean end(CapsuleId id, Status status, String reason, Instant now, List<String> unless) {
        return db.withHandle(h ->
                h.createUpdate(
                                """
                                UPDATE capsules SET status = :status,
                                    reason = :reason, last_updated = :now
                                WHERE id = :id AND status NOT IN (<unless>)
                                """)
                        .bind("id", id.text())
                        .bind("status", status.wire())
                        .bind("reason", reason)
                        .bind("now", now.atOffset(ZoneOffset.UTC))
                        .bindList("unless", unless)
                        .execute())
                > 0;
    }

    void touched(CapsuleId id, Instant now) {
        db.useHandle(h ->
                h.createUpdate(
                                "UPDATE capsules SET last_active_at = :now, last_updated = :now WHERE id = :id")
                        .bind("id", id.text())
                        .bind("now", now.atOffset(ZoneOffset.UTC))
                        .execute());
    }

    private static java.time.@org.jspecify.annotations.Nullable OffsetDateTime orNull(
            Instant time) {
        return time.equals(Instant.EPOCH) ? null : time.atOffset(ZoneOffset.UTC);
    }

    private static CapsuleRow read(ResultSet r) throws SQLException {
        return new CapsuleRow(
                new CapsuleId(r.getString("id")),
                new TeamId(r.getString("team_id")),
                r.getString("template_name"),
                new TemplateId(UUID.fromString(r.getString("template_id"))),
                Status.of(r.getString("status")),
                r.getLong("generation"),
                r.getInt("vcpus"),
                r.getInt("memory_mb"),
                r.getLong("timeout_sec"),
                new PortRules(r.getBoolean("auto_resume"), r.getBoolean("private_ports")),
                r.getString("host_ip"),
                fromJson(r.getString("metadata")),
                r.getString("reason"),
                r.getString("server_run"),
                r.getTimestamp("created_at").toInstant(),
                Optional.ofNullable(r.getTimestamp("started_at")).map(Timestamp::toInstant),
                Optional.ofNullable(r.getTimestamp("last_active_at")).map(Timestamp::toInstant),
                r.getTimestamp("last_updated").toInstant(),
                Optional.ofNullable(r.getString("forked_from")).map(CapsuleId::new));
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
