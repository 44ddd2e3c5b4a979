package dev.wrenn.simhost;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.guest.GuestPorts;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.contract.host.CheckpointAgent;
import dev.wrenn.contract.host.CreateCapsule;
import dev.wrenn.contract.host.DiskSource;
import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.contract.host.HostCapsule;
import dev.wrenn.contract.host.HostDescription;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.contract.host.HostTemplate;
import dev.wrenn.contract.host.HostTotals;
import dev.wrenn.contract.host.ImportedDisk;
import dev.wrenn.contract.host.MetricPoint;
import dev.wrenn.contract.host.ProcessDefaults;
import dev.wrenn.contract.host.StockTemplate;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;

/**
 * A host agent without VMs: a capsule is a folder and some processes of this machine. It passes the
 * same suite as the real one and is what the control plane is tested with; besides the seam it
 * offers what only tests want: fail points, VMs that end by themselves, reports that get lost.
 *
 * <p>It is no sandbox: with {@link ChildPrograms}, programs run as the test's own user.
 */
public final class SimHost implements HostAgent, Resource {
    private static final Duration EXPIRY_TICK = Duration.ofMillis(50);
    private static final int CAPACITY = 10_000;

    private final Path folder;
    private final Programs programs;
    private final InstantSource clock;
    private volatile List<String> warnings = List.of(); // by tests, read by anyone
    private final FailPoints failPoints = new FailPoints();
    private final Map<CapsuleId, SimCapsule> capsules = new ConcurrentHashMap<>();
    private final Map<TemplateId, HostTemplate> templates = new ConcurrentHashMap<>();
    private final List<Consumer<HostCapsule>> listeners = new CopyOnWriteArrayList<>();
    private final SimCheckpoints checkpoints = new SimCheckpoints(this::require, this::start);
    private final Loop expiry;
    private volatile boolean silent;
    private volatile int capacity = CAPACITY;
    private volatile List<StockTemplate> stock = List.of();
    private final Set<String> warm = ConcurrentHashMap.newKeySet();

    /**
     * An empty host.
     *
     * @param folder for its disks; must be empty
     * @param programs what runs in its guests
     */
    public SimHost(Path folder, Programs programs, InstantSource clock) {
        this.folder = folder;
        this.programs = programs;
        this.clock = clock;
        templates.put(TemplateId.MINIMAL, new HostTemplate(TemplateId.MINIMAL, false, 0, 0, 0));
        try {
            Files.createDirectories(templateFolder(TemplateId.MINIMAL).resolve("root"));
            Files.createDirectories(templateFolder(TemplateId.MINIMAL).resolve("tmp"));
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot use " + folder, e);
        }
        this.expiry =
                Loop.every(
                        "sim-expiry",
                        EXPIRY_TICK,
                        () ->
                                capsules.values().stream()
                                        .filter(SimCapsule::isExpired)
                                        .forEach(SimCapsule::expire));
    }

    // ---- what only tests want ----

    /** Makes operations fail or wait. */
    public FailPoints failPoints() {
        return failPoints;
    }

    /** From now on this many capsules can run, and no more. */
    public void limitTo(int running) {
        capacity = running;
    }

    /** From now on it knows how to make these. */
    public void offer(List<StockTemplate> templatesToMake) {
        stock = List.copyOf(templatesToMake);
    }

    /** Whether reports of changes get lost from now on. */
    public void loseReports(boolean lost) {
        silent = lost;
    }

    /** A running capsule's VM ends by itself. */
    public HostCapsule loseVm(CapsuleId capsule, String why) {
        return require(capsule).loseVm(why);
    }

    /** Forgets a capsule without a word, as a host does that lost its disk. */
    public void forget(CapsuleId capsule) {
        var gone = capsules.remove(capsule);
        if (gone != null) {
            gone.discard();
        }
    }

    /** Sends that to all listeners, as a report that was on its way for long. */
    public void report(HostCapsule late) {
        listeners.forEach(l -> l.accept(late));
    }

    // ---- the seam ----

    @Override
    public HostCapsule create(CreateCapsule order) {
        var template = templates.get(order.template());
        if (template == null) {
            throw new WrennException(Kind.ABSENT, "this host has no template " + order.template());
        }
        return start(
                order,
                template.isSnapshot() ? template.vcpus() : order.vcpus(),
                template.isSnapshot() ? template.memoryMb() : order.memoryMb(),
                templateFolder(order.template()));
    }

    private HostCapsule start(CreateCapsule order, int vcpus, int memoryMb, Path disk) {
        long running =
                capsules.values().stream().filter(c -> c.state() != HostState.PAUSED).count();
        if (running >= capacity) {
            throw new WrennException(
                    Kind.EXHAUSTED, "this host has room for " + capacity + " running capsules");
        }
        var capsule =
                new SimCapsule(
                        order,
                        vcpus,
                        memoryMb,
                        new SimCapsule.Machine(
                                folder.resolve("capsules").resolve(order.capsule().text()),
                                programs,
                                failPoints,
                                clock,
                                this::changed));
        if (capsules.putIfAbsent(order.capsule(), capsule) != null) {
            throw new WrennException(
                    Kind.CONFLICT, "this host already has capsule " + order.capsule());
        }
        return Forks.detached(
                "sim-create",
                () -> {
                    try {
                        return capsule.create(disk);
                    } catch (WrennException e) {
                        capsules.remove(order.capsule(), capsule);
                        throw e;
                    }
                });
    }

    @Override
    public HostCapsule pause(CapsuleId capsule) {
        var found = require(capsule);
        return Forks.detached("sim-pause", () -> found.pause(""));
    }

    @Override
    public HostCapsule resume(CapsuleId capsule) {
        var found = require(capsule);
        return Forks.detached("sim-resume", found::resume);
    }

    @Override
    public void destroy(CapsuleId capsule) {
        var found = capsules.get(capsule);
        if (found != null) {
            Forks.detached(
                    "sim-destroy",
                    () -> {
                        found.destroy();
                        return capsules.remove(capsule, found);
                    });
        }
    }

    @Override
    public void ping(CapsuleId capsule) {
        require(capsule).ping();
    }

    @Override
    public GuestSession guest(CapsuleId capsule) {
        return require(capsule).openSession();
    }

    @Override
    public GuestPorts ports(CapsuleId capsule) {
        return require(capsule).ports();
    }

    @Override
    public String console(CapsuleId capsule) {
        return require(capsule).console();
    }

    @Override
    public List<MetricPoint> metrics(CapsuleId capsule, Duration window) {
        return require(capsule).metrics(window);
    }

    @Override
    public HostCapsule describe(CapsuleId capsule) {
        return require(capsule).report();
    }

    @Override
    public List<HostCapsule> inventory() {
        failPoints.pass(FailPoint.INVENTORY);
        return capsules.values().stream()
                .map(SimCapsule::report)
                .filter(c -> c.state() != HostState.DESTROYED)
                .toList();
    }

    @Override
    public AutoCloseable onChange(Consumer<HostCapsule> listener) {
        listeners.add(listener);
        return () -> listeners.remove(listener);
    }

    @Override
    public HostTemplate createTemplate(CapsuleId capsule, TemplateId template) {
        var found = require(capsule);
        return Forks.detached(
                "sim-template",
                () -> {
                    found.atRest(disk -> {
                        failPoints.pass(FailPoint.CREATE_TEMPLATE);
                        store(disk, template);
                    });
                    var shape = found.report();
                    var made =
                            new HostTemplate(
                                    template,
                                    true,
                                    shape.vcpus(),
                                    shape.memoryMb(),
                                    (long) shape.memoryMb() << 20);
                    templates.put(template, made);
                    return made;
                });
    }

    @Override
    public HostTemplate createDiskTemplate(CapsuleId capsule, TemplateId template) {
        var found = require(capsule);
        return Forks.detached(
                "sim-disk-template",
                () -> {
                    try {
                        found.retire(disk -> {
                            failPoints.pass(FailPoint.CREATE_TEMPLATE);
                            store(disk, template);
                        });
                    } finally {
                        if (found.state() == HostState.DESTROYED) {
                            capsules.remove(capsule, found);
                        }
                    }
                    var made = new HostTemplate(template, false, 0, 0, 1L << 20);
                    templates.put(template, made);
                    return made;
                });
    }

    /**
     * Whatever is asked for, it looks like the built-in template, and starts as user and command.
     */
    @Override
    public ImportedDisk importDisk(
            TemplateId template, DiskSource source, Consumer<String> progress) {
        failPoints.pass(FailPoint.CREATE_TEMPLATE);
        var revision =
                switch (source) {
                    case DiskSource.ContainerImage image -> image.toString();
                    case DiskSource.Stock(var name) ->
                            stock.stream()
                                    .filter(s -> s.name().equals(name))
                                    .map(StockTemplate::revision)
                                    .findFirst()
                                    .orElseThrow(() ->
                                            new WrennException(Kind.ABSENT, "no disk " + name));
                };
        progress.accept("layer 1 of 1");
        store(templateFolder(TemplateId.MINIMAL), template);
        var made = new HostTemplate(template, false, 0, 0, 1L << 20);
        templates.put(template, made);
        return new ImportedDisk(
                made,
                new ProcessDefaults(
                        Map.of("FROM", "image"), Optional.of("app"), Optional.of("/app")),
                List.of("serve", "--all"),
                revision);
    }

    @Override
    public List<StockTemplate> stock() {
        return stock;
    }

    @Override
    public void warmUp(TemplateId template, int vcpus, int memoryMb) {
        failPoints.pass(FailPoint.WARM_UP);
        isWarm(template, vcpus, memoryMb); // refuses an unknown one
        warm.add(shape(template, vcpus, memoryMb));
    }

    @Override
    public boolean isWarm(TemplateId template, int vcpus, int memoryMb) {
        if (!templates.containsKey(template)) {
            throw new WrennException(Kind.ABSENT, "this host has no template " + template);
        }
        return templates.get(template).isSnapshot()
                || warm.contains(shape(template, vcpus, memoryMb));
    }

    private static String shape(TemplateId template, int vcpus, int memoryMb) {
        return "%s/%dx%d".formatted(template, vcpus, memoryMb);
    }

    private void store(Path disk, TemplateId template) {
        try {
            Folders.copy(disk, templateFolder(template));
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "the template cannot be stored", e);
        }
    }

    @Override
    public void deleteTemplate(TemplateId template) {
        if (template.equals(TemplateId.MINIMAL)) {
            throw new WrennException(Kind.INVALID, "the built-in template cannot be removed");
        }
        failPoints.pass(FailPoint.DELETE_TEMPLATE);
        templates.remove(template);
        try {
            Folders.delete(templateFolder(template));
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "the template cannot be removed", e);
        }
    }

    @Override
    public List<HostTemplate> templates() {
        return List.copyOf(templates.values());
    }

    @Override
    public CheckpointAgent checkpoints() {
        return checkpoints;
    }

    @Override
    public HostDescription describe() {
        return new HostDescription("sim", "tests asked for it", 1, 1_024, 1_024, warnings);
    }

    /** What it is to warn its operator of from now on. */
    public void warnOf(String... words) {
        warnings = List.of(words);
    }

    /** Counts what runs, and beside that has the same numbers always. */
    @Override
    public HostTotals totals() {
        int running =
                (int)
                        capsules.values().stream()
                                .filter(c -> c.state() == HostState.RUNNING)
                                .count();
        return new HostTotals(
                running,
                capacity,
                new HostTotals.Disk(10L << 30, 5L << 30, 1L << 30, running * (8L << 20)),
                new HostTotals.Memory(3L << 30, 1L << 30, running * (128L << 20), 4L << 30),
                new HostTotals.Snapshots(3, 5, 400L << 20, 200L << 20, 4),
                new HostTotals.Vms(running * (64L << 20), Duration.ofSeconds(90), 7, 6, 12_345, 1),
                new HostTotals.Pages(1_234, 56_789));
    }

    private Path templateFolder(TemplateId template) {
        return folder.resolve("templates").resolve(template.toString());
    }

    private SimCapsule require(CapsuleId id) {
        var capsule = capsules.get(id);
        if (capsule == null) {
            throw SimCapsule.unknown(id);
        }
        return capsule;
    }

    private void changed(HostCapsule report) {
        if (!silent) {
            listeners.forEach(l -> l.accept(report));
        }
    }

    /** Ends every process of every guest. */
    @Override
    public void close() {
        expiry.close();
        capsules.values().forEach(SimCapsule::discard);
        capsules.clear();
    }
}
