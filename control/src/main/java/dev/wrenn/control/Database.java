package dev.wrenn.control;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import dev.wrenn.control.operator.Connections;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.jdbi.v3.core.Jdbi;

/** Connections to PostgreSQL, with the schema brought up to date. */
public final class Database implements Resource {
    private static final int CONNECTIONS = 16;
    private static final int CONNECT_LIMIT_MS = 3_000;

    private final HikariDataSource pool;

    private Database(HikariDataSource pool) {
        this.pool = pool;
    }

    /**
     * Where a database is.
     *
     * @param jdbcUrl without credentials
     */
    public record Address(String jdbcUrl, Optional<String> user, Optional<Secret> password) {
        /**
         * Reads {@code postgresql://user:password@host:port/name?…} or a JDBC URL.
         *
         * @throws WrennException INVALID if it is neither
         */
        public static Address parse(String url) {
            if (url.startsWith("jdbc:postgresql:")) {
                return new Address(url, Optional.empty(), Optional.empty());
            }
            URI uri;
            try {
                uri = new URI(url);
            } catch (URISyntaxException e) {
                throw malformed(e);
            }
            boolean known =
                    "postgresql".equals(uri.getScheme()) || "postgres".equals(uri.getScheme());
            if (!known || uri.getHost() == null) {
                throw malformed(new IllegalArgumentException("scheme or host"));
            }
            var port = uri.getPort() < 0 ? "" : ":" + uri.getPort();
            var query = uri.getRawQuery() == null ? "" : "?" + uri.getRawQuery();
            var jdbc = "jdbc:postgresql://" + uri.getHost() + port + uri.getRawPath() + query;
            var credentials = Optional.ofNullable(uri.getRawUserInfo());
            return new Address(
                    jdbc,
                    credentials.map(c -> decode(c.split(":", 2)[0])),
                    credentials
                            .filter(c -> c.contains(":"))
                            .map(c -> new Secret(decode(c.split(":", 2)[1]))));
        }

        private static String decode(String text) {
            return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
        }

        private static WrennException malformed(Exception cause) {
            return new WrennException(
                    Kind.INVALID,
                    "DATABASE_URL must be postgresql://user:password@host:port/name",
                    cause);
        }
    }

    /** Connects and brings the schema up to date. */
    public static Database open(Address address) {
        var config = new HikariConfig();
        config.setJdbcUrl(address.jdbcUrl());
        address.user().ifPresent(config::setUsername);
        address.password().ifPresent(p -> config.setPassword(p.reveal()));
        config.setMaximumPoolSize(CONNECTIONS);
        config.setConnectionTimeout(CONNECT_LIMIT_MS);
        config.setPoolName("wrenn");
        HikariDataSource pool;
        try {
            pool = new HikariDataSource(config);
        } catch (RuntimeException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot connect to the database", e);
        }
        try {
            Flyway.configure(Database.class.getClassLoader())
                    .dataSource(pool)
                    .locations("classpath:db")
                    // Features number their migrations in ranges of their own.
                    .outOfOrder(true)
                    .load()
                    .migrate();
            return new Database(pool);
        } catch (FlywayException e) {
            pool.close();
            throw new WrennException(Kind.UNAVAILABLE, "cannot prepare the database schema", e);
        }
    }

    Jdbi jdbi() {
        return Jdbi.create(pool);
    }

    /** Its connections now. */
    Connections connections() {
        var beans = pool.getHikariPoolMXBean();
        return new Connections(
                beans.getActiveConnections(),
                beans.getIdleConnections(),
                beans.getThreadsAwaitingConnection(),
                CONNECTIONS);
    }

    @Override
    public void close() {
        pool.close();
    }
}
