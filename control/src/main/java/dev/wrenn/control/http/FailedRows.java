package dev.wrenn.control.http;

import java.sql.SQLException;
import java.sql.SQLTransientException;
import org.jdbi.v3.core.ConnectionException;
import org.jdbi.v3.core.JdbiException;

/** Tells a database that is not there from a statement that it refuses. */
final class FailedRows {
    private static final String CONNECTION = "08"; // SQLSTATE classes, PostgreSQL appendix A
    private static final String OPERATOR_INTERVENTION = "57";
    private static final String RESOURCES = "53";

    private FailedRows() {}

    /** Whether trying again later may work. */
    static boolean isOutage(JdbiException failure) {
        if (failure instanceof ConnectionException) {
            return true;
        }
        for (Throwable cause = failure.getCause(); cause != null; cause = cause.getCause()) {
            if (cause instanceof SQLTransientException) {
                return true;
            }
            if (cause instanceof SQLException e && e.getSQLState() != null) {
                var state = e.getSQLState();
                return state.startsWith(CONNECTION)
                        || state.startsWith(OPERATOR_INTERVENTION)
                        || state.startsWith(RESOURCES);
            }
        }
        return false;
    }
}
