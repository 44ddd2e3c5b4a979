package dev.wrenn.control;

import dev.wrenn.base.Kind;
import dev.wrenn.base.UndoStack;
import dev.wrenn.base.WrennException;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.capsule.ControlConfig;
import dev.wrenn.simhost.ChildPrograms;
import dev.wrenn.simhost.Programs;
import dev.wrenn.simhost.SimHost;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Comparator;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;

/**
 * A control plane as it is served, on a real database, with a simulated host behind it. One for a
 * whole test class; each test takes a team of its own and is alone there.
 */
final class ControlRig implements BeforeAllCallback, AfterAllCallback {
    private final Programs programs;
    private final ControlConfig config;
    private @Nullable Parts parts; // between beforeAll and afterAll

    /** What belongs to one class of tests. */
    private record Parts(
            Postgres postgres,
            Database.Address address,
            Database database,
            SimHost host,
            ControlPlane control,
            UndoStack teardown) {}

    /** Ends the one PostgreSQL of a test run with the run. */
    private record Shared(Postgres postgres) implements AutoCloseable {
        @Override
        public void close() {
            postgres.close();
        }
    }

    ControlRig() {
        this(new ChildPrograms(), ControlConfig.DEFAULTS);
    }

    ControlRig(Programs programs, ControlConfig config) {
        this.programs = programs;
        this.config = config;
    }

    @Override
    public void beforeAll(ExtensionContext context) {
        var postgres =
                context.getRoot()
                        .getStore(Namespace.create(ControlRig.class))
                        .computeIfAbsent(
                                Shared.class, _ -> new Shared(Postgres.start()), Shared.class)
                        .postgres();
        try (var undo = new UndoStack()) {
            var folder = newFolder();
            undo.undo(() -> delete(folder));
            var host = undo.hold(new SimHost(folder, programs, InstantSource.system()));
            var address = postgres.newDatabase();
            var database = undo.hold(Database.open(address));
            var control = undo.hold(serve(database, host));
            parts = new Parts(postgres, address, database, host, control, undo.handOver());
        }
    }

    @Override
    public void afterAll(ExtensionContext context) {
        parts().teardown().close();
    }

    private ControlPlane serve(Database database, SimHost host) {
        return ControlPlane.start(config, database, host, InstantSource.system(), "127.0.0.1", 0);
    }

    private Parts parts() {
        return java.util.Objects.requireNonNull(parts, "register the rig with the test class");
    }

    SimHost host() {
        return parts().host();
    }

    ControlPlane control() {
        return parts().control();
    }

    Database database() {
        return parts().database();
    }

    /** Another server on the same database and host; the caller closes it. */
    ControlPlane another() {
        return serve(parts().database(), parts().host());
    }

    /** The database goes down. */
    void shutDatabase() {
        parts().postgres().shut(parts().address());
    }

    /** The database comes back. */
    void reopenDatabase() {
        parts().postgres().reopen(parts().address());
    }

    String baseUrl() {
        return "http://127.0.0.1:" + parts().control().port();
    }

    /** A team that no other test has. */
    TeamId newTeam() {
        return parts().control().keys().createTeam("Test", "t" + UUID.randomUUID());
    }

    /** The API as a team of its own sees it. */
    Api newClient() {
        return clientOf(newTeam());
    }

    /** The API as that team sees it. */
    Api clientOf(TeamId team) {
        return new Api(baseUrl(), parts().control().keys().create(team, "test").reveal());
    }

    private static Path newFolder() {
        try {
            return Files.createTempDirectory("wrenn-control-test");
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot make a folder", e);
        }
    }

    private static void delete(Path folder) {
        try (var found = Files.walk(folder)) {
            for (var path : found.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot remove " + folder, e);
        }
    }
}
