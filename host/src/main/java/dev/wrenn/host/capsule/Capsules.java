package dev.wrenn.host.capsule;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Loop;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.guest.GuestPorts;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.contract.host.CheckpointAgent;
import dev.wrenn.contract.host.CreateCapsule;
import dev.wrenn.contract.host.HostCapsule;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.contract.host.HostTemplate;
import dev.wrenn.contract.host.HostTotals;
import dev.wrenn.host.journal.CapsuleRecord;
import dev.wrenn.host.metrics.MeasuredRun;
import dev.wrenn.snapshot.SnapshotId;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The capsules of this host: finds the driver of each, watches the clock, tells listeners. */
public final class Capsules implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(Capsules.class);
    private static final Duration EXPIRY_TICK = Duration.ofMillis(250);
    private static final Duration COLLECTION_TICK = Duration.ofSeconds(30);
    private static final Duration CONSOLE_LIMIT = Duration.ofSeconds(5);
    private static final int TOKEN_BYTES = 24;

    private final Machinery machinery;
    private final Templates templates;
    private final Map<CapsuleId, CapsuleDriver> drivers = new ConcurrentHashMap<>();
    private final List<Consumer<HostCapsule>> listeners = new CopyOnWriteArrayList<>();
    private final CapsuleDriver.Reports reports = new ToListeners();
    private final Tally tally = new Tally();
    private final SpaceUse space;
    private final Checkpoints checkpoints;
    private final Loop expiry;
    private final Loop collection;
    private final Optional<Archiving> archiving;
    private volatile boolean stopping;
    private volatile boolean garbage = true; // whatever an earlier process left

    /** Finds what an earlier process left, adopts or frees it, and starts to work. */
    public Capsules(Machinery machinery, Templates templates) {
        this.machinery = machinery;
        this.templates = templates;
        this.space = new SpaceUse(machinery.store());
        this.checkpoints = new Checkpoints(machinery, this);
        for (var found : new Adoption(machinery).takeStock()) {
            var id = new CapsuleId(found.record().capsule());
            drivers.put(
                    id, new CapsuleDriver(id, machinery, reports, found.record(), found.state()));
        }
        this.expiry =
                Loop.every(
                        "expiry",
                        EXPIRY_TICK,
                        () -> drivers.values().forEach(CapsuleDriver::expireIfIdle));
        this.archiving =
                machinery
                        .config()
                        .archive()
                        .map(a -> new Archiving(machinery, a, new ForArchiving()));
        this.collection = Loop.every("snapshot-collection", COLLECTION_TICK, this::collect);
    }

    /** See {@code HostAgent.create}. */
    public HostCapsule create(CreateCapsule order) {
        var id = order.capsule();
        var record =
                CapsuleRecord.begin(
                        id.text(),
                        order.template().toString(),
                        order.vcpus(),
                        order.memoryMb(),
                        order.expiry(),
                        order.defaults(),
                        newToken(),
                        machinery.clock().millis());
        return start(
                record, () -> templates.startOf(order.template(), order.vcpus(), order.memoryMb()));
    }

    /** Brings a capsule to life that nobody has heard of; if that fails, nothing of it is left. */
    HostCapsule start(CapsuleRecord record, Supplier<Templates.Start> source) {
        var id = new CapsuleId(record.capsule());
        // Known from the first moment on: whoever destroys it while its template boots must find
        // it (gap T1).
        var driver = new CapsuleDriver(id, machinery, reports, record, new CapsuleState.Creating());
        if (drivers.putIfAbsent(id, driver) != null) {
            driver.close();
            throw CapsuleRefusal.taken(id);
        }
        if (stopping) {
            drivers.remove(id, driver);
            driver.close();
            throw CapsuleRefusal.stopping();
        }
        return driver.create(source);
    }

    void requireStarting() {
        if (stopping) {
            throw CapsuleRefusal.stopping();
        }
    }

    void requireUnknown(CapsuleId id) {
        if (drivers.containsKey(id)) {
            throw CapsuleRefusal.taken(id);
        }
    }

    /** See {@code HostAgent.checkpoints}. */
    public CheckpointAgent checkpoints() {
        return checkpoints;
    }

    /** See {@code HostAgent.pause}. */
    public HostCapsule pause(CapsuleId id) {
        var driver = driver(id);
        var paused = driver.pause("");
        archiving.ifPresent(a -> a.awaitDurable(new SnapshotId(driver.record().snapshot())));
        return paused;
    }

    /** See {@code HostAgent.resume}. */
    public HostCapsule resume(CapsuleId id) {
        requireStarting();
        return driver(id).resume();
    }

    /** See {@code HostAgent.destroy}. */
    public void destroy(CapsuleId id) {
        var driver = drivers.get(id);
        if (driver != null) {
            driver.destroy();
        }
    }

    /** See {@code HostAgent.ping}. */
    public void ping(CapsuleId id) {
        driver(id).ping();
    }

    /** See {@code HostAgent.guest}. */
    public GuestSession guest(CapsuleId id) {
        return driver(id).running("use").openSession();
    }

    /** See {@code HostAgent.ports}. */
    public GuestPorts ports(CapsuleId id) {
        return driver(id).running("reach").ports();
    }

    /** See {@code HostAgent.console}. */
    public String console(CapsuleId id) {
        return driver(id)
                .running("read the console of")
                .vm()
                .console(Deadline.after(CONSOLE_LIMIT));
    }

    /** See {@code HostAgent.describe}. */
    public HostCapsule describe(CapsuleId id) {
        return driver(id).report();
    }

    /** See {@code HostAgent.inventory}. */
    public List<HostCapsule> inventory() {
        return drivers.values().stream()
                .map(CapsuleDriver::report)
                .filter(c -> c.state() != HostState.DESTROYED)
                .toList();
    }

    /** See {@code HostAgent.onChange}. */
    public AutoCloseable onChange(Consumer<HostCapsule> listener) {
        listeners.add(listener);
        return () -> listeners.remove(listener);
    }

    /** See {@code HostAgent.createTemplate}. */
    public HostTemplate createTemplate(CapsuleId id, TemplateId template) {
        var made = new HostTemplate[1];
        driver(id)
                .withPaused(
                        "snapshot",
                        record -> {
                            var copy =
                                    machinery
                                            .store()
                                            .copy(
                                                    new SnapshotId(record.snapshot()),
                                                    SnapshotId.random());
                            try {
                                made[0] = templates.add(template, copy);
                            } finally {
                                machinery.store().settled(copy.id());
                            }
                        });
        return made[0];
    }

    /** See {@code HostAgent.createDiskTemplate}. */
    public HostTemplate createDiskTemplate(CapsuleId id, TemplateId template) {
        var made = new HostTemplate[1];
        driver(id).retire(disk -> made[0] = templates.addDisk(template, disk));
        return made[0];
    }

    /** See {@code HostAgent.deleteTemplate}. */
    public void deleteTemplate(TemplateId template) {
        templates.remove(template);
        garbage = true;
    }

    /** Pauses everything that runs, several at a time; what cannot be paused is reported. */
    public void pauseAll(Consumer<String> progress) {
        stopping = true;
        try (var forks = new dev.wrenn.base.Forks()) {
            var pausing =
                    drivers.values().stream() // those being created too: they run in a moment
                            .map(d ->
                                    forks.start(
                                            "pause " + d.record().capsule(),
                                            () -> {
                                                d.pauseIfRunning("the server was stopped");
                                                progress.accept(d.record().capsule());
                                                return d;
                                            }))
                            .toList();
            for (var pause : pausing) {
                try {
                    pause.take(machinery.config().pauseLimit());
                } catch (WrennException e) {
                    LOG.atError().setCause(e).log("a capsule could not be paused, its VM goes on");
                }
            }
        }
    }

    /** What runs now, to be measured. */
    public List<MeasuredRun> running() {
        return drivers.values().stream()
                .flatMap(d ->
                        d.state() instanceof CapsuleState.Running(var run)
                                ? Stream.of(measured(d.record(), run))
                                : Stream.empty())
                .toList();
    }

    private MeasuredRun measured(CapsuleRecord record, RunningCapsule run) {
        return new MeasuredRun(
                new CapsuleId(record.capsule()),
                run.vm().process(),
                record.vcpus(),
                run.disk(),
                () -> templates.diskOf(record.template(), record.vcpus(), record.memoryMb()));
    }

    /** What snapshots cost on the volume. */
    public HostTotals.Snapshots space() {
        return space.read();
    }

    /** Counts what happens. */
    public Tally tally() {
        return tally;
    }

    /** Whether any VM still runs. */
    public boolean anyRunning() {
        return drivers.values().stream().anyMatch(d -> d.state() instanceof CapsuleState.Running);
    }

    /** Indexes of the network slots that capsules hold. */
    public Set<Integer> usedSlots() {
        var used = new HashSet<Integer>();
        for (var driver : drivers.values()) {
            if (driver.state() instanceof CapsuleState.Running(var run)) {
                used.add(run.slot().index());
            }
        }
        return used;
    }

    /**
     * Deletes the snapshots that neither a capsule nor a template needs any more, and does for the
     * others what their pause left for later.
     */
    void collect() {
        drivers.values().forEach(CapsuleDriver::tidy);
        if (garbage) {
            removeGarbage();
        }
        machinery.stockDisks().removeSuperseded();
        machinery.store().maintain();
        space.refresh();
        machinery.room().watch();
    }

    private void removeGarbage() {
        garbage = false; // before: what is released meanwhile is for the next time
        try {
            templates.removeUnusedDisks();
            machinery.store().collectGarbage(this::roots);
            archiving.ifPresent(Archiving::collectSoon);
        } catch (RuntimeException e) {
            garbage = true;
            throw e;
        }
    }

    /** A run holds the snapshot that its memory is served from by itself. */
    private Set<SnapshotId> roots() {
        var roots = new HashSet<>(templates.roots());
        for (var record : machinery.journal().capsules()) {
            addRoots(record, roots);
        }
        for (var driver : drivers.values()) {
            addRoots(driver.record(), roots);
        }
        return roots;
    }

    private static void addRoots(CapsuleRecord record, Set<SnapshotId> roots) {
        record.history().forEach(c -> roots.add(new SnapshotId(c.snapshot())));
        if (!record.snapshot().isEmpty()) {
            roots.add(new SnapshotId(record.snapshot()));
        }
    }

    CapsuleDriver driver(CapsuleId id) {
        var driver = drivers.get(id);
        if (driver == null) {
            throw CapsuleRefusal.unknown(id.text());
        }
        return driver;
    }

    static String newToken() {
        var bytes = new byte[TOKEN_BYTES];
        new SecureRandom().nextBytes(bytes);
        return new Secret(HexFormat.of().formatHex(bytes)).reveal();
    }

    private final class ForArchiving implements Archiving.Owner {
        @Override
        public List<SnapshotId> atRest() {
            return drivers.values().stream()
                    .filter(d -> d.state() instanceof CapsuleState.Paused)
                    .map(CapsuleDriver::record)
                    .sorted(Comparator.comparingLong(CapsuleRecord::startedAtMillis))
                    .flatMap(r -> r.history().stream())
                    .map(c -> new SnapshotId(c.snapshot()))
                    .toList();
        }

        @Override
        public Set<SnapshotId> needed() {
            return roots();
        }

        @Override
        public void archived(SnapshotId snapshot) {
            drivers.values().forEach(d -> d.archived(snapshot));
        }
    }

    private final class ToListeners implements CapsuleDriver.Reports {
        @Override
        public void changed(HostCapsule capsule) {
            for (var listener : listeners) {
                try {
                    listener.accept(capsule);
                } catch (RuntimeException e) {
                    // Not the capsule's failure: what happened has happened.
                    LOG.atError().setCause(e).log("a listener to capsule changes failed");
                }
            }
        }

        @Override
        public Tally tally() {
            return tally;
        }

        @Override
        public void released() {
            garbage = true;
        }

        @Override
        public void ended(CapsuleDriver driver) {
            drivers.remove(new CapsuleId(driver.record().capsule()), driver);
        }
    }

    /** Stops watching and detaches; what runs goes on running. */
    @Override
    public void close() {
        stopping = true;
        expiry.close();
        collection.close();
        archiving.ifPresent(Archiving::close);
        drivers.values().forEach(CapsuleDriver::close);
    }
}
