package dev.wrenn.control.build;

import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.host.HostTemplate;
import dev.wrenn.control.auth.TeamId;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.Jdbi;

/** States of builds in the database. */
final class StepCacheRows {
    private final Jdbi db;

    StepCacheRows(Jdbi db) {
        this.db = db;
    }

    /**
     * A state that the host holds.
     *
     * @param state of the steps so far, as JSON
     */
    record Entry(String key, TemplateId template, int vcpus, int memoryMb, String state) {}

    /** Those of these keys that are there; they count as used. */
    List<Entry> use(TeamId team, List<String> keys) {
        if (keys.isEmpty()) {
            return List.of();
        }
        return db.withHandle(h ->
                h.createQuery(
                                """
                                UPDATE step_cache SET used_at = now()
                                WHERE team_id = :team AND key IN (<keys>) AND is_ready
                                RETURNING key, template_id, vcpus, memory_mb, state
                                """)
                        .bindList("keys", keys)
                        .bind("team", team.text())
                        .map((r, _) ->
                                new Entry(
                                        r.getString("key"),
                                        new TemplateId(UUID.fromString(r.getString("template_id"))),
                                        r.getInt("vcpus"),
                                        r.getInt("memory_mb"),
                                        r.getString("state")))
                        .list());
    }

    /** Says what is about to be made; false if somebody else makes or has made it. */
    boolean plan(TeamId team, String key, TemplateId template, String state) {
        return db.withHandle(h ->
                h.createUpdate(
                                """
                                INSERT INTO step_cache (team_id, key, template_id, state)
                                VALUES (:team, :key, :template, :state)
                                ON CONFLICT (team_id, key) DO NOTHING
                                """)
                        .bind("team", team.text())
                        .bind("key", key)
                        .bind("template", template.uuid())
                        .bind("state", state)
                        .execute())
                > 0;
    }

    /** Says that it is made. */
    void ready(HostTemplate made) {
        db.useHandle(h ->
                h.createUpdate(
                                """
                                UPDATE step_cache SET is_ready = true, vcpus = :vcpus,
                                    memory_mb = :memory, size_bytes = :size, used_at = now()
                                WHERE template_id = :template
                                """)
                        .bind("vcpus", made.vcpus())
                        .bind("memory", made.memoryMb())
                        .bind("size", made.sizeBytes())
                        .bind("template", made.template().uuid())
                        .execute());
    }

    /** From now on nobody starts from it. */
    void retire(TemplateId template) {
        db.useHandle(h ->
                h.createUpdate(
                                """
                                UPDATE step_cache
                                SET is_ready = false, used_at = 'epoch' WHERE template_id = :id
                                """)
                        .bind("id", template.uuid())
                        .execute());
    }

    /** Those that were retired, or were never finished in all that time. */
    List<TemplateId> abandoned(Duration age) {
        return db.withHandle(h ->
                h.createQuery(
                                """
                                SELECT template_id FROM step_cache WHERE NOT is_ready
                                AND used_at < now() - :age * interval '1 millisecond'
                                """)
                        .bind("age", age.toMillis())
                        .mapTo(UUID.class)
                        .map(TemplateId::new)
                        .list());
    }

    /**
     * The one that was used least recently, if all are larger than that or it is older; never one
     * that a build may be about to start from.
     */
    Optional<TemplateId> surplus(long mostBytes, Duration age) {
        return db.withHandle(h ->
                h.createQuery(
                                """
                                SELECT template_id FROM step_cache WHERE is_ready
                                AND used_at < now() - interval '10 minutes'
                                AND ((SELECT sum(size_bytes) FROM step_cache WHERE is_ready)
                                        > :most
                                     OR used_at < now() - :age * interval '1 millisecond')
                                ORDER BY used_at LIMIT 1
                                """)
                        .bind("most", mostBytes)
                        .bind("age", age.toMillis())
                        .mapTo(UUID.class)
                        .map(TemplateId::new)
                        .findOne());
    }

    void forget(TemplateId template) {
        db.useHandle(
                h -> h.execute("DELETE FROM step_cache WHERE template_id = ?", template.uuid()));
    }
}
