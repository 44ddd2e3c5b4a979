package dev.wrenn.cli;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Progress;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Secret;
import dev.wrenn.base.UndoStack;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.folder.ApiKeyFile;
import dev.wrenn.cli.folder.DataFolder;
import dev.wrenn.cli.folder.FolderLock;
import dev.wrenn.cli.folder.ServerRecord;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.control.ControlPlane;
import dev.wrenn.control.Database;
import dev.wrenn.gateway.Gateway;
import dev.wrenn.host.Host;
import dev.wrenn.server.EmbeddedDatabase;
import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Database, host agent and control plane of one data folder, wired in one process and serving.
 * Closing it pauses what runs and gives the folder back.
 */
final class Serving implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(Serving.class);
    private static final Duration DATABASE_LIMIT = Duration.ofMinutes(2);

    /** What a capsule is when nothing else is asked for; kept ready from the first start on. */
    private static final TemplateId USUAL_TEMPLATE = TemplateId.MINIMAL;

    private static final int USUAL_VCPUS = 1;
    private static final int USUAL_MEMORY_MB = 512;

    private final String baseUrl;
    private final Secret key;
    private final Host host;
    private final UndoStack teardown;

    private Serving(String baseUrl, Secret key, Host host, UndoStack teardown) {
        this.baseUrl = baseUrl;
        this.key = key;
        this.host = host;
        this.teardown = teardown;
    }

    String baseUrl() {
        return baseUrl;
    }

    Secret key() {
        return key;
    }

    /** What runs the capsules. */
    String vmmName() {
        return host.describe().vmm();
    }

    /** What runs the capsules, and why. */
    String vmm() {
        return "%s: %s".formatted(host.describe().vmm(), host.describe().vmmReason());
    }

    /** Starts everything; on any failure everything is stopped again. */
    static Serving start(DataFolder folder, WrennConfig config, Progress progress) {
        var undo = new UndoStack();
        try {
            return start(folder, config, progress, undo);
        } catch (RuntimeException e) {
            // An interruption ends the start, but not the tidying up after it.
            boolean wasInterrupted = Thread.interrupted();
            try {
                undo.close();
            } catch (RuntimeException whileClosing) {
                e.addSuppressed(whileClosing);
            }
            if (wasInterrupted) {
                Thread.currentThread().interrupt();
            }
            throw e;
        }
    }

    private static Serving start(
            DataFolder folder, WrennConfig config, Progress progress, UndoStack undo) {
        undo.hold(FolderLock.take(folder));
        var record = ServerRecord.ofThisProcess();
        record.write(folder.serverRecord());
        undo.undo(() -> remove(folder.serverRecord()));
        requireFree(config.listen());
        log(config.effective());
        try (var forks = new Forks()) {
            var opening =
                    forks.start("open database", () -> Databases.open(folder, config, progress));
            var host = undo.hold(Host.open(config.host(), progress));
            undo.undo(() -> pauseAll(host, progress));
            var databases = undo.hold(opening.take(DATABASE_LIMIT));
            warmUp(host, progress);
            var control =
                    undo.hold(
                            ControlPlane.start(
                                    config.limits(),
                                    databases.database(),
                                    host,
                                    InstantSource.system(),
                                    config.listen().host(),
                                    config.listen().port(),
                                    door -> new Gateway(door, config.gateway())));
            var key = keyOf(control, folder.apiKey());
            var baseUrl = config.listen().baseUrl(control.port());
            record.serving(baseUrl, host.describe().vmm()).write(folder.serverRecord());
            LOG.atInfo()
                    .addKeyValue("url", baseUrl)
                    .addKeyValue("vmm", host.describe().vmm())
                    .log("serving");
            return new Serving(baseUrl, key, host, undo.handOver());
        }
    }

    /** The database that the control plane uses, and the process of it that is ours. */
    private record Databases(Optional<EmbeddedDatabase> embedded, Database database)
            implements Resource {
        static Databases open(DataFolder folder, WrennConfig config, Progress progress) {
            if (config.databaseUrl().isPresent()) {
                var address = Database.Address.parse(config.databaseUrl().get().reveal());
                return new Databases(Optional.empty(), Database.open(address));
            }
            try (var undo = new UndoStack();
                    var step = progress.start("Starting the embedded database", 0)) {
                var embedded = undo.hold(EmbeddedDatabase.open(folder.path().resolve("postgres")));
                var database = Database.open(embedded.address());
                undo.handOver();
                step.done();
                return new Databases(Optional.of(embedded), database);
            }
        }

        @Override
        public void close() {
            try (var undo = new UndoStack()) {
                embedded.ifPresent(undo::hold);
                undo.hold(database);
            }
        }
    }

    /** Says early what would otherwise fail after minutes of preparation. */
    private static void requireFree(ListenAddress listen) {
        try (var socket = new ServerSocket()) {
            socket.setReuseAddress(true);
            socket.bind(listen.toSocketAddress());
        } catch (IOException e) {
            throw new WrennException(
                    Kind.CONFLICT,
                    ("cannot listen on %s; choose another address with --listen or WRENN_LISTEN"
                                    + " (`ss -ltnp` shows who has the port)")
                            .formatted(listen),
                    e);
        }
    }

    private static void log(Map<String, String> settings) {
        var line = LOG.atInfo();
        for (var setting : settings.entrySet()) {
            line = line.addKeyValue(setting.getKey(), setting.getValue());
        }
        line.log("settings");
    }

    private static void warmUp(Host host, Progress progress) {
        if (host.isWarm(USUAL_TEMPLATE, USUAL_VCPUS, USUAL_MEMORY_MB)) {
            return;
        }
        try (var step = progress.start("Booting the minimal template once", 0)) {
            host.warmUp(USUAL_TEMPLATE, USUAL_VCPUS, USUAL_MEMORY_MB);
            step.done();
        }
    }

    /** The key in the file if the database knows it, else a new one. */
    private static Secret keyOf(ControlPlane control, Path file) {
        return ApiKeyFile.read(file)
                .filter(control.keys()::isValid)
                .orElseGet(() -> {
                    var made = control.createKey("wrenn up");
                    ApiKeyFile.write(file, made);
                    return made;
                });
    }

    private static void pauseAll(Host host, Progress progress) {
        try (var step = progress.start("Pausing what runs", 0)) {
            host.pauseAll(_ -> step.advance(1));
            step.done();
        }
    }

    private static void remove(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot remove " + file, e);
        }
    }

    @Override
    public void close() {
        teardown.close();
        LOG.atInfo().log("stopped");
    }
}
