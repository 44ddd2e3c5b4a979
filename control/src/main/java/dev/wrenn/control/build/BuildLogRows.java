package dev.wrenn.control.build;

import java.util.List;
import org.jdbi.v3.core.Jdbi;

/** What builds said, in the database. Of one build, one worker writes. */
final class BuildLogRows {
    private final Jdbi db;

    BuildLogRows(Jdbi db) {
        this.db = db;
    }

    /**
     * One line.
     *
     * @param isStep whether it is the entry of a step, rather than output as it came
     * @param json an object
     */
    record Line(boolean isStep, String json) {}

    /**
     * A line as it is read.
     *
     * @param seq grows from line to line
     */
    record Numbered(long seq, String json) {}

    /** Appends in order; false if the build is not that worker's any more. */
    boolean append(Build build, List<Line> lines) {
        return db.inTransaction(h -> {
            var mine =
                    h.createQuery(
                                    """
                                    SELECT id FROM builds WHERE id = :id AND epoch = :epoch
                                      AND status = 'running' FOR UPDATE
                                    """)
                            .bind("id", build.id().text())
                            .bind("epoch", build.epoch())
                            .mapTo(String.class)
                            .findOne();
            if (mine.isEmpty()) {
                return false;
            }
            long seq =
                    h.createQuery(
                                    """
                                    SELECT coalesce(max(seq), 0) FROM build_log
                                    WHERE build_id = :id
                                    """)
                            .bind("id", build.id().text())
                            .mapTo(Long.class)
                            .one();
            var batch =
                    h.prepareBatch(
                            """
                            INSERT INTO build_log (build_id, seq, epoch, is_step, line)
                            VALUES (:id, :seq, :epoch, :step, :line)
                            """);
            for (var line : lines) {
                batch.bind("id", build.id().text())
                        .bind("seq", ++seq)
                        .bind("epoch", build.epoch())
                        .bind("step", line.isStep())
                        .bind("line", line.json())
                        .add();
            }
            batch.execute();
            return true;
        });
    }

    /** Entries of the steps as the present worker did them. */
    List<String> entries(Build build) {
        return db.withHandle(h ->
                h.createQuery(
                                """
                                SELECT line FROM build_log
                                WHERE build_id = :id AND epoch = :epoch AND is_step ORDER BY seq
                                """)
                        .bind("id", build.id().text())
                        .bind("epoch", build.epoch())
                        .mapTo(String.class)
                        .list());
    }

    /** All that was said behind that line. */
    List<Numbered> after(BuildId id, long seq, int most) {
        return db.withHandle(h ->
                h.createQuery(
                                """
                                SELECT seq, line FROM build_log
                                WHERE build_id = :id AND seq > :seq ORDER BY seq LIMIT :most
                                """)
                        .bind("id", id.text())
                        .bind("seq", seq)
                        .bind("most", most)
                        .map((r, _) -> new Numbered(r.getLong("seq"), r.getString("line")))
                        .list());
    }
}
