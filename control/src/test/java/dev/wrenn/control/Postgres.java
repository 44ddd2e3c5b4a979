package dev.wrenn.control;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.sql.SQLException;
import java.util.Optional;
import java.util.UUID;

/** A real PostgreSQL for tests; every database in it is new and empty. */
final class Postgres implements Resource {
    private final EmbeddedPostgres server;

    private Postgres(EmbeddedPostgres server) {
        this.server = server;
    }

    static Postgres start() {
        try {
            return new Postgres(
                    EmbeddedPostgres.builder()
                            .setServerConfig("fsync", "off")
                            .setServerConfig("synchronous_commit", "off")
                            .start());
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "the test database does not start", e);
        }
    }

    /** A database of its own. */
    Database.Address newDatabase() {
        var name = "t" + UUID.randomUUID().toString().replace("-", "");
        execute("CREATE DATABASE " + name);
        return new Database.Address(
                server.getJdbcUrl("postgres", name), Optional.empty(), Optional.empty());
    }

    /** Lets nobody in any more and throws out who is there, as a database that went down. */
    void shut(Database.Address address) {
        execute("ALTER DATABASE " + nameOf(address) + " ALLOW_CONNECTIONS false");
        execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"
                        + nameOf(address)
                        + "'");
    }

    /** The opposite of {@link #shut}. */
    void reopen(Database.Address address) {
        execute("ALTER DATABASE " + nameOf(address) + " ALLOW_CONNECTIONS true");
    }

    private static String nameOf(Database.Address address) {
        return address.jdbcUrl().replaceAll(".*/([a-z0-9]+)\\?.*", "$1");
    }

    private void execute(String sql) {
        try (var connection = server.getPostgresDatabase().getConnection();
                var statement = connection.createStatement()) {
            statement.execute(sql);
        } catch (SQLException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot " + sql, e);
        }
    }

    @Override
    public void close() {
        try {
            server.close();
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "the test database does not stop", e);
        }
    }
}
