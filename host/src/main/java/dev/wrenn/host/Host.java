package dev.wrenn.host;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Progress;
import dev.wrenn.base.Resource;
import dev.wrenn.base.UndoStack;
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
import dev.wrenn.contract.host.StockTemplate;
import dev.wrenn.disk.DataVolume;
import dev.wrenn.host.capsule.Capsules;
import dev.wrenn.host.capsule.HostConfig;
import dev.wrenn.host.capsule.MachineRoom;
import dev.wrenn.host.capsule.Machinery;
import dev.wrenn.host.capsule.Step;
import dev.wrenn.host.capsule.Templates;
import dev.wrenn.host.image.BaseDisks;
import dev.wrenn.host.image.GuestImages;
import dev.wrenn.host.image.StockDisks;
import dev.wrenn.host.journal.Journal;
import dev.wrenn.host.metrics.Meter;
import dev.wrenn.network.NetworkConfig;
import dev.wrenn.network.SlotPool;
import dev.wrenn.pager.Pager;
import dev.wrenn.pager.PagerConfig;
import dev.wrenn.snapshot.SnapshotStore;
import dev.wrenn.vmm.choice.FirecrackerSearch;
import dev.wrenn.vmm.choice.VmmSelection;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.eclipse.jetty.client.HttpClient;

/**
 * A machine's host agent: wires the mechanisms and offers them through the seam to the control
 * plane.
 */
public final class Host implements HostAgent, Resource {
    private static final Path RUN_ROOT = Path.of("/run/wrenn");

    private final Templates templates;
    private final Capsules capsules;
    private final VmmSelection selection;
    private final MachineRoom room;
    private final Meter meter;
    private final Pager pager;
    private final int slots;
    private final UndoStack teardown;

    private Host(
            Templates templates,
            Capsules capsules,
            VmmSelection selection,
            MachineRoom room,
            Meter meter,
            Pager pager,
            int slots,
            UndoStack teardown) {
        this.templates = templates;
        this.capsules = capsules;
        this.selection = selection;
        this.room = room;
        this.meter = meter;
        this.pager = pager;
        this.slots = slots;
        this.teardown = teardown;
    }

    /**
     * Opens the host agent on its data folder: prepares what is missing (guest kernel, root disk,
     * volume, slots) and takes over what an earlier process left. Can be interrupted anywhere and
     * called again.
     */
    public static Host open(HostConfig config, Progress progress) {
        return open(config, progress, Step.Observer.NONE);
    }

    /** The same, told of every step, so that it can be made to fail or be killed at each. */
    static Host open(HostConfig config, Progress progress, Step.Observer steps) {
        try (var undo = new UndoStack()) {
            var folder = realPath(config.dataFolder());
            var prefix = prefixOf(folder);
            var runs = RUN_ROOT.resolve(prefix).resolve("r");
            var volume =
                    DataVolume.open(
                            folder, config.volumeSize(), text -> progress.start(text, 0).done());
            undo.undo(() -> leave(volume, runs));
            var disks = volume.disks();
            var images = GuestImages.prepare(folder, config.agent(), progress);
            var baseDisks = new BaseDisks(folderIn(volume.root(), "images"), disks);
            var rootFs =
                    images.withMinimalRootFs(
                            baseDisks.keep(
                                    images.minimalRootFs().getFileName().toString(),
                                    images.minimalRootFs()));
            var archive = config.archive().map(a -> undo.hold(config.openArchive(a)));
            var store = new SnapshotStore(volume.root().resolve(SnapshotStore.FOLDER), archive);
            var journal = undo.hold(new Journal(folder.resolve("journal"), runs));
            var slots = openSlots(config, prefix);
            undo.undo(() -> leave(slots, runs));
            var http = undo.hold(startClient());
            var selection =
                    VmmSelection.choose(
                            new VmmSelection.Options(
                                    FirecrackerSearch.of(folder),
                                    config.deviceLimits(),
                                    config.shim()));
            undo.hold(selection.vmm());
            var pager = new Pager(PagerConfig.DEFAULTS);
            var room =
                    MachineRoom.of(config.capacity(), volume.root(), folder, pager::changedBytes);
            var machinery =
                    new Machinery(
                            config,
                            selection.vmm(),
                            pager,
                            slots,
                            disks,
                            store,
                            journal,
                            rootFs,
                            baseDisks,
                            new StockDisks(
                                    folderIn(folder, "images/stock"),
                                    images.minimalRootFs(),
                                    disks,
                                    InstantSource.system()),
                            http.client(),
                            InstantSource.system(),
                            bootId(),
                            folderIn(volume.root(), "disks"),
                            room,
                            steps);
            var templates = new Templates(machinery);
            var capsules = undo.hold(new Capsules(machinery, templates));
            slots.retainOnly(capsules.usedSlots());
            var meter =
                    undo.hold(
                            Meter.start(
                                    folder.resolve("metrics"),
                                    disks,
                                    capsules::running,
                                    InstantSource.system()));
            forgetWithCapsules(meter, capsules);
            return new Host(
                    templates,
                    capsules,
                    selection,
                    room,
                    meter,
                    pager,
                    config.maxSlots(),
                    undo.handOver());
        }
    }

    /** What a capsule used is kept for as long as there is the capsule. */
    private static void forgetWithCapsules(Meter meter, Capsules capsules) {
        var _ =
                capsules.onChange(c -> {
                    if (c.state() == HostState.DESTROYED) {
                        meter.forget(c.capsule());
                    }
                });
        meter.retainOnly(
                capsules.inventory().stream()
                        .map(HostCapsule::capsule)
                        .collect(Collectors.toSet()));
    }

    @Override
    public List<StockTemplate> stock() {
        return templates.stock();
    }

    @Override
    public void warmUp(TemplateId template, int vcpus, int memoryMb) {
        templates.startOf(template, vcpus, memoryMb);
    }

    @Override
    public boolean isWarm(TemplateId template, int vcpus, int memoryMb) {
        return templates.isWarm(template, vcpus, memoryMb);
    }

    @Override
    public HostCapsule create(CreateCapsule order) {
        return capsules.create(order);
    }

    @Override
    public HostCapsule pause(CapsuleId capsule) {
        return capsules.pause(capsule);
    }

    @Override
    public HostCapsule resume(CapsuleId capsule) {
        return capsules.resume(capsule);
    }

    @Override
    public void destroy(CapsuleId capsule) {
        capsules.destroy(capsule);
    }

    @Override
    public void ping(CapsuleId capsule) {
        capsules.ping(capsule);
    }

    @Override
    public GuestSession guest(CapsuleId capsule) {
        return capsules.guest(capsule);
    }

    @Override
    public GuestPorts ports(CapsuleId capsule) {
        return capsules.ports(capsule);
    }

    @Override
    public String console(CapsuleId capsule) {
        return capsules.console(capsule);
    }

    @Override
    public List<MetricPoint> metrics(CapsuleId capsule, Duration window) {
        var known = capsules.describe(capsule);
        return meter.read(known.capsule(), window);
    }

    @Override
    public HostCapsule describe(CapsuleId capsule) {
        return capsules.describe(capsule);
    }

    @Override
    public List<HostCapsule> inventory() {
        return capsules.inventory();
    }

    @Override
    public AutoCloseable onChange(Consumer<HostCapsule> listener) {
        return capsules.onChange(listener);
    }

    @Override
    public HostTemplate createTemplate(CapsuleId capsule, TemplateId template) {
        return capsules.createTemplate(capsule, template);
    }

    @Override
    public HostTemplate createDiskTemplate(CapsuleId capsule, TemplateId template) {
        return capsules.createDiskTemplate(capsule, template);
    }

    @Override
    public ImportedDisk importDisk(
            TemplateId template, DiskSource source, Consumer<String> progress) {
        return templates.importDisk(template, source, progress);
    }

    @Override
    public void deleteTemplate(TemplateId template) {
        capsules.deleteTemplate(template);
    }

    @Override
    public List<HostTemplate> templates() {
        return templates.all();
    }

    @Override
    public CheckpointAgent checkpoints() {
        return capsules.checkpoints();
    }

    @Override
    public HostDescription describe() {
        var memory =
                java.lang.management.ManagementFactory.getPlatformMXBean(
                        com.sun.management.OperatingSystemMXBean.class);
        return new HostDescription(
                selection.name(),
                selection.reason(),
                Runtime.getRuntime().availableProcessors(),
                memory.getTotalMemorySize() >> 20,
                room.readDisk().freeBytes() >> 20,
                room.warnings());
    }

    @Override
    public HostTotals totals() {
        var tally = capsules.tally();
        var served = pager.served();
        return new HostTotals(
                capsules.usedSlots().size(),
                slots,
                room.readDisk(),
                room.readMemory(),
                capsules.space(),
                new HostTotals.Vms(
                        meter.memoryBytes(),
                        meter.cpuTime(),
                        tally.starts(),
                        tally.saves(),
                        tally.savedBytes(),
                        tally.losses()),
                new HostTotals.Pages(served.faults(), served.prefetched()));
    }

    /** Saves every running capsule, so that the machine can be switched off. */
    public void pauseAll(Consumer<String> progress) {
        capsules.pauseAll(progress);
    }

    /** Stops; a VM that could not be paused before goes on and is found again by the next start. */
    @Override
    public void close() {
        teardown.close();
    }

    /**
     * Run folders are removed last of all that a run holds: as long as there is one, a VM may
     * depend on its slot and its disk, and the next start decides what becomes of it. That also
     * goes for a start that fails half way.
     */
    private static void leave(SlotPool slots, Path runs) {
        if (isEmpty(runs)) {
            slots.close();
        } else {
            slots.detach();
        }
    }

    private static void leave(DataVolume volume, Path runs) {
        if (isEmpty(runs)) {
            volume.close();
        }
    }

    private static boolean isEmpty(Path folder) {
        if (!Files.isDirectory(folder)) {
            return true;
        }
        try (var entries = Files.list(folder)) {
            return entries.findAny().isEmpty();
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot list the run folders", e);
        }
    }

    private static SlotPool openSlots(HostConfig config, String prefix) {
        return SlotPool.open(
                NetworkConfig.of(prefix, RUN_ROOT)
                        .withMaxSlots(config.maxSlots())
                        .withPoolSize(config.poolSlots()));
    }

    /** The one HTTP client of this host; its connections are kept apart by run. */
    private record SharedClient(HttpClient client) implements Resource {
        @Override
        public void close() {
            try {
                client.stop();
            } catch (Exception e) {
                throw new WrennException(Kind.BUG, "the HTTP client does not stop", e);
            }
        }
    }

    private static SharedClient startClient() {
        var client = new HttpClient();
        client.setConnectTimeout(1_000);
        client.setFollowRedirects(false);
        client.setMaxConnectionsPerDestination(1_024);
        client.setMaxRequestsQueuedPerDestination(4_096);
        client.setDestinationIdleTimeout(10_000); // the guests of ended runs never answer again
        client.setUserAgentField(null);
        try {
            client.start();
        } catch (Exception e) {
            throw new WrennException(Kind.BUG, "the HTTP client does not start", e);
        }
        client.getContentDecoderFactories().clear();
        return new SharedClient(client);
    }

    private static Path folderIn(Path parent, String name) {
        try {
            return Files.createDirectories(parent.resolve(name));
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot make folder " + name, e);
        }
    }

    private static Path realPath(Path folder) {
        try {
            Files.createDirectories(folder);
            return folder.toRealPath();
        } catch (IOException e) {
            throw new WrennException(
                    Kind.UNAVAILABLE, "cannot use " + folder + " as data folder", e);
        }
    }

    /**
     * Short name for everything of this data folder that lives outside of it: namespaces, links,
     * tables, sockets. Derived from the path, so that the next process finds it again.
     */
    static String prefixOf(Path folder) {
        try {
            var digest =
                    MessageDigest.getInstance("SHA-256")
                            .digest(folder.toString().getBytes(StandardCharsets.UTF_8));
            return "w" + HexFormat.of().formatHex(digest, 0, 2);
        } catch (NoSuchAlgorithmException e) {
            throw new WrennException(Kind.BUG, "SHA-256 is missing", e);
        }
    }

    /** Tells runs of this boot from those before (random(4), /proc/sys/kernel/random/boot_id). */
    private static String bootId() {
        try {
            return Files.readString(Path.of("/proc/sys/kernel/random/boot_id")).strip();
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot read the kernel's boot id", e);
        }
    }
}
