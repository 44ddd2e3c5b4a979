package dev.wrenn.server;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.control.Database;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A PostgreSQL of our own, for a server without an installed one. Its cluster stays in the data
 * folder from one start to the next.
 *
 * <p>A postmaster that an earlier process of ours left behind when it was killed is ended first, by
 * its own pid file: two of them on one cluster would destroy it, and PostgreSQL refuses that.
 */
public final class EmbeddedDatabase implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(EmbeddedDatabase.class);
    private static final Duration START_LIMIT = Duration.ofSeconds(60);

    private final EmbeddedPostgres postgres;

    private EmbeddedDatabase(EmbeddedPostgres postgres) {
        this.postgres = postgres;
    }

    /**
     * Starts it.
     *
     * @param folder of the cluster and the unpacked programs; made if missing
     */
    public static EmbeddedDatabase open(Path folder) {
        try {
            var cluster = Files.createDirectories(folder.resolve("cluster"));
            var programs = Files.createDirectories(folder.resolve("programs"));
            LeftoverPostmaster.end(cluster);
            var postgres =
                    EmbeddedPostgres.builder()
                            .setDataDirectory(cluster)
                            .setOverrideWorkingDirectory(programs.toFile())
                            .setCleanDataDirectory(false)
                            .setRegisterShutdownHook(false)
                            .setPGStartupWait(START_LIMIT)
                            // The defaults of the library are for tests: they give up durability.
                            .setServerConfig("fsync", "on")
                            .setServerConfig("synchronous_commit", "on")
                            .setServerConfig("full_page_writes", "on")
                            .setServerConfig("max_connections", "50")
                            .setServerConfig("shared_buffers", "32MB")
                            .setServerConfig("listen_addresses", "127.0.0.1")
                            .start();
            LOG.atInfo().addKeyValue("port", postgres.getPort()).log("embedded database started");
            return new EmbeddedDatabase(postgres);
        } catch (IOException e) {
            throw new WrennException(
                    Kind.UNAVAILABLE,
                    "cannot start the embedded database; set DATABASE_URL to use another one",
                    e);
        }
    }

    /** Where to connect. */
    public Database.Address address() {
        return new Database.Address(
                postgres.getJdbcUrl("postgres", "postgres"), Optional.empty(), Optional.empty());
    }

    @Override
    public void close() {
        try {
            postgres.close();
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "the embedded database does not stop", e);
        }
    }
}
