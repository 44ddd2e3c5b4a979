package dev.wrenn.control.usage;

import dev.wrenn.control.auth.TeamId;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.List;
import org.jdbi.v3.core.Jdbi;

/**
 * Samples of what teams have reserved, and what is added up from them.
 *
 * <p>A sample belongs to a period of 10 seconds and is inserted at most once. In the same statement
 * it raises the maxima of its hour and is added to its day, so these always are exactly what the
 * inserted samples say, however many servers try and wherever one of them ends.
 */
final class UsageRows {
    static final Duration PERIOD = Duration.ofSeconds(10);

    /** The longest range that is answered from single samples, and the step that it begins in. */
    static final Duration SAMPLES_KEPT = Duration.ofHours(25);

    /** Peaks look back that far, by hours. */
    static final Duration HOURS_KEPT = Duration.ofDays(30);

    /** As long as a team's last sample counts, a sample of nothing ends its curve. */
    private static final int SLOTS_TO_ZERO = 6;

    /** Reserved by the capsules in the rows that it is put before. */
    private static final String RESERVED =
            """
            count(*) FILTER (WHERE status <> 'paused') AS running,
            coalesce(sum(vcpus) FILTER (WHERE status <> 'paused'), 0) AS vcpus,
            coalesce(sum(CASE status WHEN 'paused' THEN (memory_mb + 1) / 2
                                     ELSE memory_mb END), 0) AS memory_mb
            """;

    /** Written so that it implies the condition of the index capsules_alive. */
    private static final String HOLDING =
            "status NOT IN ('stopped', 'error') AND status <> 'missing'";

    private final Jdbi db;

    UsageRows(Jdbi db) {
        this.db = db;
    }

    /** A step of a series. */
    record Bucket(Instant start, Reserved most) {}

    /** One day of a team. */
    record Day(LocalDate day, long vcpuSeconds, long memoryMbSeconds) {}

    static long slotOf(Instant time) {
        return Math.floorDiv(time.getEpochSecond(), PERIOD.toSeconds());
    }

    private static long hourOf(Instant time) {
        return Math.floorDiv(time.getEpochSecond(), Duration.ofHours(1).toSeconds());
    }

    /** Takes the sample of the period that this time is in, of every team that has none of it. */
    void sample(Instant now) {
        var start = Instant.ofEpochSecond(slotOf(now) * PERIOD.toSeconds());
        db.useHandle(h ->
                // Rows are locked in the order of teams, by every server.
                h.createUpdate(
                                """
                                WITH held AS (
                                    SELECT team_id, %s FROM capsules
                                    WHERE %s GROUP BY team_id
                                ), ended AS (
                                    SELECT DISTINCT team_id, 0, 0, 0 FROM team_samples
                                    WHERE slot BETWEEN :slot - :zero AND :slot - 1
                                      AND memory_mb > 0
                                      AND team_id NOT IN (SELECT team_id FROM held)
                                ), taken AS (
                                    INSERT INTO team_samples
                                        (team_id, slot, running, vcpus, memory_mb)
                                    SELECT team_id, :slot, running, vcpus, memory_mb
                                    FROM (SELECT * FROM held
                                          UNION ALL SELECT * FROM ended) teams
                                    ORDER BY team_id
                                    ON CONFLICT DO NOTHING
                                    RETURNING team_id, running, vcpus, memory_mb
                                ), hours AS (
                                    INSERT INTO team_hours AS t
                                        (team_id, hour, running, vcpus, memory_mb)
                                    SELECT team_id, :hour, running, vcpus, memory_mb FROM taken
                                    ON CONFLICT (team_id, hour) DO UPDATE SET
                                        running = greatest(t.running, EXCLUDED.running),
                                        vcpus = greatest(t.vcpus, EXCLUDED.vcpus),
                                        memory_mb = greatest(t.memory_mb, EXCLUDED.memory_mb)
                                )
                                INSERT INTO team_days AS t
                                    (team_id, day, vcpu_seconds, memory_mb_seconds)
                                SELECT team_id, :day, vcpus * :seconds, memory_mb * :seconds
                                FROM taken WHERE memory_mb > 0
                                ON CONFLICT (team_id, day) DO UPDATE SET
                                    vcpu_seconds = t.vcpu_seconds + EXCLUDED.vcpu_seconds,
                                    memory_mb_seconds =
                                        t.memory_mb_seconds + EXCLUDED.memory_mb_seconds
                                """
                                        .formatted(RESERVED, HOLDING))
                        .bind("slot", slotOf(now))
                        .bind("zero", SLOTS_TO_ZERO)
                        .bind("hour", hourOf(start))
                        .bind("day", LocalDate.ofInstant(start, ZoneOffset.UTC))
                        .bind("seconds", PERIOD.toSeconds())
                        .execute());
    }

    /** Removes the samples and hours that nothing looks back to any more. */
    void prune(Instant now) {
        db.useHandle(h -> {
            h.createUpdate("DELETE FROM team_samples WHERE slot < :slot")
                    .bind("slot", slotOf(now.minus(SAMPLES_KEPT)))
                    .execute();
            h.createUpdate("DELETE FROM team_hours WHERE hour < :hour")
                    .bind("hour", hourOf(now.minus(HOURS_KEPT)))
                    .execute();
        });
    }

    /** What the team has reserved now. */
    Reserved current(TeamId team) {
        return db.withHandle(h ->
                h.createQuery(
                                "SELECT %s FROM capsules WHERE team_id = :team AND %s"
                                        .formatted(RESERVED, HOLDING))
                        .bind("team", team.text())
                        .map((r, _) -> reserved(r))
                        .one());
    }

    /** The greatest of each since then; the three may be of different times. */
    Reserved peaks(TeamId team, Instant since) {
        return db.withHandle(h ->
                h.createQuery(
                                """
                                SELECT coalesce(max(running), 0) AS running,
                                       coalesce(max(vcpus), 0) AS vcpus,
                                       coalesce(max(memory_mb), 0) AS memory_mb
                                FROM team_hours WHERE team_id = :team AND hour >= :hour
                                """)
                        .bind("team", team.text())
                        .bind("hour", hourOf(since))
                        .map((r, _) -> reserved(r))
                        .one());
    }

    /** The greatest values of each step that there are samples of, in order. */
    List<Bucket> series(TeamId team, StatsRange range, Instant now) {
        boolean bySamples = range.isWithinSamples();
        var since = now.minus(range.window());
        return db.withHandle(h ->
                h.createQuery(
                                """
                                SELECT %1$s * :seconds / :width * :width AS start,
                                       max(running) AS running, max(vcpus) AS vcpus,
                                       max(memory_mb) AS memory_mb
                                FROM %2$s
                                WHERE team_id = :team AND %1$s > :since AND %1$s <= :until
                                GROUP BY start ORDER BY start
                                """
                                        .formatted(
                                                bySamples ? "slot" : "hour",
                                                bySamples ? "team_samples" : "team_hours"))
                        .bind("team", team.text())
                        .bind("seconds", (bySamples ? PERIOD : Duration.ofHours(1)).toSeconds())
                        .bind("width", range.bucket().toSeconds())
                        .bind("since", bySamples ? slotOf(since) : hourOf(since))
                        .bind("until", bySamples ? slotOf(now) : hourOf(now))
                        .map((r, _) ->
                                new Bucket(Instant.ofEpochSecond(r.getLong("start")), reserved(r)))
                        .list());
    }

    /** The team's days from one to the other, both included, as far as there was anything. */
    List<Day> days(TeamId team, LocalDate from, LocalDate to) {
        return db.withHandle(h ->
                h.createQuery(
                                """
                                SELECT day, vcpu_seconds, memory_mb_seconds FROM team_days
                                WHERE team_id = :team AND day BETWEEN :from AND :to
                                ORDER BY day
                                """)
                        .bind("team", team.text())
                        .bind("from", from)
                        .bind("to", to)
                        .map((r, _) ->
                                new Day(
                                        r.getObject("day", LocalDate.class),
                                        r.getLong("vcpu_seconds"),
                                        r.getLong("memory_mb_seconds")))
                        .list());
    }

    private static Reserved reserved(ResultSet r) throws SQLException {
        return new Reserved(r.getInt("running"), r.getInt("vcpus"), r.getLong("memory_mb"));
    }
}
