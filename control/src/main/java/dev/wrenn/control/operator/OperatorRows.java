package dev.wrenn.control.operator;

import java.util.Map;
import java.util.TreeMap;
import org.jdbi.v3.core.Jdbi;

/** Counts of rows, of all teams together. */
final class OperatorRows {
    private final Jdbi db;

    OperatorRows(Jdbi db) {
        this.db = db;
    }

    /**
     * How many capsules there are of each status; ended ones stay rows for ever and are left out.
     */
    Map<String, Long> capsules() {
        return counts(
                """
                SELECT status, count(*) AS number FROM capsules
                WHERE status NOT IN ('stopped', 'error') GROUP BY status
                """);
    }

    /** How many builds wait and run. */
    Map<String, Long> builds() {
        return counts(
                """
                SELECT status, count(*) AS number FROM builds
                WHERE status IN ('pending', 'running') GROUP BY status
                """);
    }

    private Map<String, Long> counts(String query) {
        return db.withHandle(h ->
                h.createQuery(query)
                        .reduceRows(
                                new TreeMap<String, Long>(),
                                (all, row) -> {
                                    all.put(
                                            row.getColumn("status", String.class),
                                            row.getColumn("number", Long.class));
                                    return all;
                                }));
    }
}
