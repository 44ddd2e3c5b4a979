package dev.wrenn.control.build;

import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.capsule.TemplateDefaults;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;

/**
 * Builds in the database. What a worker writes names its epoch, so that one that lost its build
 * finds nothing to change.
 */
final class BuildRows {
    private static final String COLUMNS =
            """
            id, team_id, spec, contents, status, current_step, error, sandbox_id, template_id,
            committing, epoch, attempts, defaults, created_at, started_at, completed_at
            """;

    private final Jdbi db;

    BuildRows(Jdbi db) {
        this.db = db;
    }

    /**
     * Queues a build with its archive unless the team has as many unfinished ones as it may have.
     *
     * @param archive parts in order; may be empty
     */
    boolean insert(Build build, Iterable<byte[]> archive, int limit) {
        return db.inTransaction(h -> {
            h.execute("SELECT id FROM teams WHERE id = ? FOR UPDATE", build.team().text());
            long unfinished =
                    h.createQuery(
                                    """
                                    SELECT count(*) FROM builds
                                    WHERE team_id = :team AND status IN ('pending', 'running')
                                    """)
                            .bind("team", build.team().text())
                            .mapTo(Long.class)
                            .one();
            if (unfinished >= limit) {
                return false;
            }
            insert(h, build);
            int part = 0;
            for (var bytes : archive) {
                h.execute(
                        "INSERT INTO build_archives (build_id, part, bytes) VALUES (?, ?, ?)",
                        build.id().text(),
                        part++,
                        bytes);
            }
            return true;
        });
    }

    private static void insert(Handle h, Build build) {
        h.createUpdate(
                        """
                        INSERT INTO builds (id, team_id, name, spec, contents, status,
                                            created_at)
                        VALUES (:id, :team, :name, :spec, :contents, 'pending', :at)
                        """)
                .bind("id", build.id().text())
                .bind("team", build.team().text())
                .bind("name", build.spec().name())
                .bind("spec", build.spec().toJson())
                .bind("contents", build.contents())
                .bind("at", build.createdAt().atOffset(ZoneOffset.UTC))
                .execute();
    }

    /** Queues a build unless its team has an unfinished one of that name, which is found then. */
    Build insertOrFind(Build build) {
        return db.inTransaction(h -> {
            h.execute("SELECT id FROM teams WHERE id = ? FOR UPDATE", build.team().text());
            var newest = newestOf(h, build.team(), build.spec().name());
            if (newest.isPresent() && !newest.get().status().isFinal()) {
                return newest.get();
            }
            insert(h, build);
            return build;
        });
    }

    /** The build of that name which was asked for last. */
    Optional<Build> newestOf(TeamId team, String name) {
        return db.withHandle(h -> newestOf(h, team, name));
    }

    private static Optional<Build> newestOf(Handle h, TeamId team, String name) {
        return h.createQuery(
                        "SELECT "
                                + COLUMNS
                                + """
                                 FROM builds WHERE team_id = :team AND name = :name
                                ORDER BY created_at DESC LIMIT 1
                                """)
                .bind("team", team.text())
                .bind("name", name)
                .map((r, _) -> read(r))
                .findOne();
    }

    /** What the team is building. */
    Set<String> unfinishedNames(TeamId team) {
        return db.withHandle(h ->
                Set.copyOf(
                        h.createQuery(
                                        """
                                        SELECT DISTINCT name FROM builds
                                        WHERE team_id = :team AND status IN ('pending', 'running')
                                        """)
                                .bind("team", team.text())
                                .mapTo(String.class)
                                .list()));
    }

    Optional<Build> find(BuildId id) {
        return db.withHandle(h -> find(h, id));
    }

    private static Optional<Build> find(Handle h, BuildId id) {
        return h.createQuery("SELECT " + COLUMNS + " FROM builds WHERE id = :id")
                .bind("id", id.text())
                .map((r, _) -> read(r))
                .findOne();
    }

    /** A team's builds, newest first. */
    List<Build> listOf(TeamId team, int most) {
        return db.withHandle(h ->
                h.createQuery(
                                "SELECT "
                                        + COLUMNS
                                        + """
                                         FROM builds WHERE team_id = :team
                                        ORDER BY created_at DESC, id DESC LIMIT :most
                                        """)
                        .bind("team", team.text())
                        .bind("most", most)
                        .map((r, _) -> read(r))
                        .list());
    }

    /** Takes the oldest build that waits, or whose worker has not been heard of in time. */
    Optional<Build> claim(Duration lease) {
        return db.inTransaction(h ->
                h.createQuery(
                                """
                                UPDATE builds SET
                                    status = 'running', epoch = epoch + 1,
                                    attempts = attempts + 1, current_step = 0,
                                    started_at = coalesce(started_at, now()),
                                    lease_until = now() + :lease * interval '1 millisecond'
                                WHERE id = (
                                    SELECT id FROM builds
                                    WHERE status = 'pending'
                                       OR (status = 'running' AND lease_until < now())
                                    ORDER BY created_at LIMIT 1
                                    FOR UPDATE SKIP LOCKED)
                                RETURNING id
                                """)
                        .bind("lease", lease.toMillis())
                        .mapTo(String.class)
                        .findOne()
                        .flatMap(id -> find(h, new BuildId(id))));
    }

    /** Says that the worker lives; false if the build is not its own any more. */
    boolean beat(Build build, int currentStep, Duration lease) {
        return db.withHandle(h ->
                h.createUpdate(
                                """
                                UPDATE builds SET current_step = :step,
                                    lease_until = now() + :lease * interval '1 millisecond'
                                WHERE id = :id AND epoch = :epoch AND status = 'running'
                                """)
                        .bind("step", currentStep)
                        .bind("lease", lease.toMillis())
                        .bind("id", build.id().text())
                        .bind("epoch", build.epoch())
                        .execute())
                > 0;
    }

    /** Writes down what will be made; false if the build is not the worker's any more. */
    boolean plan(Build build, CapsuleId capsule, TemplateId template) {
        return db.withHandle(h ->
                h.createUpdate(
                                """
                                UPDATE builds SET sandbox_id = :capsule, template_id = :template
                                WHERE id = :id AND epoch = :epoch AND status = 'running'
                                """)
                        .bind("capsule", capsule.text())
                        .bind("template", template.uuid())
                        .bind("id", build.id().text())
                        .bind("epoch", build.epoch())
                        .execute())
                > 0;
    }

    /** From here on the build cannot be cancelled; false if it was, or is another worker's. */
    boolean commit(Build build, TemplateDefaults defaults) {
        return db.withHandle(h ->
                h.createUpdate(
                                """
                                UPDATE builds SET committing = true, defaults = :defaults
                                WHERE id = :id AND epoch = :epoch AND status = 'running'
                                """)
                        .bind("defaults", defaults.toJson())
                        .bind("id", build.id().text())
                        .bind("epoch", build.epoch())
                        .execute())
                > 0;
    }

    /** Ends a build of that worker and drops its archive. */
    boolean finish(Build build, BuildStatus status, String error) {
        return db.inTransaction(h -> {
            boolean changed =
                    h.createUpdate(
                                            """
                                            UPDATE builds SET status = :status, error = :error,
                                                completed_at = now(), lease_until = NULL
                                            WHERE id = :id AND epoch = :epoch
                                              AND status = 'running'
                                            """)
                                    .bind("status", status.wire())
                                    .bind("error", error)
                                    .bind("id", build.id().text())
                                    .bind("epoch", build.epoch())
                                    .execute()
                            > 0;
            if (changed) {
                dropArchive(h, build.id());
            }
            return changed;
        });
    }

    /** Gives a build back that the worker cannot go on with. */
    void release(Build build) {
        db.useHandle(h ->
                h.createUpdate(
                                """
                                UPDATE builds SET status = 'pending', lease_until = NULL,
                                    attempts = attempts - 1
                                WHERE id = :id AND epoch = :epoch AND status = 'running'
                                """)
                        .bind("id", build.id().text())
                        .bind("epoch", build.epoch())
                        .execute());
    }

    /** Cancels a build that has not come to its end; empty if it has. */
    Optional<Build> cancel(BuildId id) {
        return db.inTransaction(h -> {
            int changed =
                    h.createUpdate(
                                    """
                                    UPDATE builds SET status = 'cancelled', completed_at = now(),
                                        lease_until = NULL
                                    WHERE id = :id AND NOT committing
                                      AND status IN ('pending', 'running')
                                    """)
                            .bind("id", id.text())
                            .execute();
            if (changed == 0) {
                return Optional.empty();
            }
            dropArchive(h, id);
            return find(h, id);
        });
    }

    private static void dropArchive(Handle h, BuildId id) {
        h.execute("DELETE FROM build_archives WHERE build_id = ?", id.text());
    }

    /** One part of the archive; empty after the last. */
    Optional<byte[]> archivePart(BuildId id, int part) {
        return db.withHandle(h ->
                h.createQuery(
                                """
                                SELECT bytes FROM build_archives
                                WHERE build_id = :id AND part = :part
                                """)
                        .bind("id", id.text())
                        .bind("part", part)
                        .mapTo(byte[].class)
                        .findOne());
    }

    /**
     * Capsules of builds that have ended, which nobody needs: a worker that was cut off may have
     * left one.
     */
    List<CapsuleId> abandonedCapsules() {
        return db.withHandle(h ->
                h.createQuery(
                                """
                                SELECT b.sandbox_id FROM builds b
                                JOIN capsules c ON c.id = b.sandbox_id
                                WHERE b.status NOT IN ('pending', 'running')
                                  AND c.status NOT IN ('stopped', 'error')
                                """)
                        .mapTo(String.class)
                        .map(CapsuleId::new)
                        .list());
    }

    /** Forgets builds that ended that long ago. */
    void forgetOlderThan(Duration age) {
        db.useHandle(h ->
                h.createUpdate(
                                """
                                DELETE FROM builds WHERE completed_at
                                    < now() - :age * interval '1 millisecond'
                                """)
                        .bind("age", age.toMillis())
                        .execute());
    }

    private static Build read(ResultSet r) throws SQLException {
        return new Build(
                new BuildId(r.getString("id")),
                new TeamId(r.getString("team_id")),
                BuildSpec.parse(r.getString("spec")),
                r.getString("contents"),
                BuildStatus.of(r.getString("status")),
                r.getInt("current_step"),
                r.getString("error"),
                Optional.of(r.getString("sandbox_id"))
                        .filter(c -> !c.isEmpty())
                        .map(CapsuleId::new),
                Optional.ofNullable(r.getString("template_id"))
                        .map(t -> new TemplateId(UUID.fromString(t))),
                r.getBoolean("committing"),
                r.getLong("epoch"),
                r.getInt("attempts"),
                TemplateDefaults.parse(r.getString("defaults")),
                r.getTimestamp("created_at").toInstant(),
                time(r, "started_at"),
                time(r, "completed_at"));
    }

    private static Optional<Instant> time(ResultSet r, String column) throws SQLException {
        return Optional.ofNullable(r.getTimestamp(column)).map(Timestamp::toInstant);
    }
}
