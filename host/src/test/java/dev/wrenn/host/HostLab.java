package dev.wrenn.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Command;
import dev.wrenn.base.Progress;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.CheckpointId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.guest.ProcessEvent;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.contract.host.CreateCapsule;
import dev.wrenn.contract.host.ForkCapsule;
import dev.wrenn.contract.host.HostCapsule;
import dev.wrenn.contract.host.HostCheckpoint;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.contract.host.ProcessDefaults;
import dev.wrenn.contract.host.Retention;
import dev.wrenn.host.capsule.ArchiveConfig;
import dev.wrenn.host.capsule.Capacity;
import dev.wrenn.host.capsule.HostConfig;
import dev.wrenn.testkit.Eventually;
import dev.wrenn.testkit.HostInventory;
import dev.wrenn.testkit.HostInventory.Part;
import dev.wrenn.testkit.HostView;
import dev.wrenn.testkit.Slowness;
import dev.wrenn.vmm.DeviceLimits;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A host agent on a data folder of its own, with capsules to try things on.
 *
 * <p>Kernel and root disk come from {@code WRENN_TEST_CACHE}, the guest agent from {@code
 * WRENN_GUEST_DIR}; the template is booted once.
 */
final class HostLab implements AutoCloseable {
    static final int MEMORY_MB = 192;
    static final Duration SOON = Duration.ofSeconds(30);
    static final Duration START_LIMIT = Slowness.scaled(Duration.ofSeconds(20));

    /** The machine may be as small as the rig, see scripts/rig.sh. */
    private static final Capacity CAPACITY =
            new Capacity(
                    ByteSize.mib(64),
                    Capacity.DEFAULTS.memoryOvercommit(),
                    Capacity.DEFAULTS.checkpointMemory(),
                    Capacity.DEFAULTS.diskReserve());

    /** Between a capsule's end and its traces being gone: slots are torn down in the background. */
    private static final Duration CLEAN_UP = Duration.ofSeconds(30);

    /** How often things must look the same: commands in the background come and go. */
    private static final int LOOKS_AT_REST = 5;

    final Faults faults = new Faults();
    private final Path folder;
    private final HostConfig config;
    private final Set<CapsuleId> made = ConcurrentHashMap.newKeySet();
    private final boolean isFolderOurs;
    private Host host;

    private HostLab(Path folder, HostConfig config, boolean isFolderOurs) {
        this.folder = folder;
        this.config = config;
        this.isFolderOurs = isFolderOurs;
        this.host = Host.open(config, Progress.silent(), faults);
        demandVmm();
    }

    /** Tests that are to be run with one VMM must not pass with another one. */
    private void demandVmm() {
        Optional.ofNullable(System.getenv("WRENN_TEST_VMM"))
                .ifPresent(wanted -> assertThat(host.describe().vmm()).startsWith(wanted));
    }

    /** On a new folder, which is gone when the lab is closed. */
    static HostLab open() {
        var folder = newDataFolder();
        return new HostLab(folder, configOf(folder), true);
    }

    /** On a new folder with an archive in it, in which a snapshot is when a pause returns. */
    static HostLab withArchive() {
        var folder = newDataFolder();
        var place = new ArchiveConfig.Place.Folder(folder.resolve("archive"));
        var archive =
                new ArchiveConfig(place, folder.resolve("master-keys"), ByteSize.mib(1), true);
        return new HostLab(folder, configOf(folder, Optional.of(archive)), true);
    }

    /** On a folder that stays. */
    static HostLab on(Path folder) {
        return new HostLab(folder, configOf(folder), false);
    }

    /** An empty data folder that takes kernel and root disk from the cache. */
    static Path newDataFolder() {
        try {
            var folder = Files.createTempDirectory("wrenn-lab").toRealPath();
            var cache = System.getenv("WRENN_TEST_CACHE");
            if (cache != null) {
                var images = Files.createDirectories(Path.of(cache, "images"));
                Files.createSymbolicLink(folder.resolve("images"), images);
            }
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static HostConfig configOf(Path folder) {
        return configOf(folder, Optional.empty());
    }

    private static HostConfig configOf(Path folder, Optional<ArchiveConfig> archive) {
        var guest = System.getenv("WRENN_GUEST_DIR");
        if (guest == null) {
            throw new AssertionError("WRENN_GUEST_DIR must name the built guest; see ./wrenn test");
        }
        return new HostConfig(
                folder,
                Path.of(guest, "libwrenn_uffd_shim.so"),
                Path.of(guest, "wrenn-guest-agent"),
                ByteSize.gib(4),
                2,
                12,
                START_LIMIT,
                Slowness.scaled(Duration.ofSeconds(120)),
                Slowness.scaled(Duration.ofSeconds(60)),
                DeviceLimits.USUAL,
                Set.of(),
                CAPACITY,
                Retention.DEFAULT,
                archive);
    }

    Host host() {
        return host;
    }

    Path folder() {
        return folder;
    }

    Path volume() {
        return folder.resolve("volume");
    }

    Path store() {
        return volume().resolve("store");
    }

    /** Stops the host agent and opens another one on the same folder. */
    void reopen() {
        host.close();
        host = Host.open(config, Progress.silent(), faults);
    }

    CreateCapsule order() {
        return order(CapsuleId.random(), 1, MEMORY_MB);
    }

    CreateCapsule order(CapsuleId id, int vcpus, int memoryMb) {
        made.add(id);
        var defaults =
                new ProcessDefaults(Map.of("LAB", "yes"), Optional.empty(), Optional.empty());
        return new CreateCapsule(id, TemplateId.MINIMAL, vcpus, memoryMb, Duration.ZERO, defaults);
    }

    /** A running capsule of that template. */
    CapsuleId create(TemplateId template) {
        return create(template, ProcessDefaults.NONE);
    }

    CapsuleId create(TemplateId template, ProcessDefaults defaults) {
        var id = CapsuleId.random();
        made.add(id);
        host.create(new CreateCapsule(id, template, 1, MEMORY_MB, Duration.ZERO, defaults));
        return id;
    }

    /** A running capsule. */
    CapsuleId capsule() {
        return host.create(order()).capsule();
    }

    CapsuleId pausedCapsule() {
        var capsule = capsule();
        host.pause(capsule);
        return capsule;
    }

    /** An order for new capsules from a state of that one. */
    ForkCapsule forkOf(CapsuleId parent, Optional<CheckpointId> checkpoint, int count) {
        var children = Stream.generate(CapsuleId::random).limit(count).toList();
        made.addAll(children);
        return new ForkCapsule(parent, checkpoint, children, Optional.empty());
    }

    /** What it was saved as, newest first. */
    List<HostCheckpoint> history(CapsuleId capsule) {
        return host.checkpoints().history(capsule).checkpoints();
    }

    HostState stateOf(CapsuleId capsule) {
        return host.describe(capsule).state();
    }

    long fact(HostCapsule capsule, String name) {
        return Long.parseLong(capsule.versions().get(name));
    }

    ProcessHandle vmm(CapsuleId capsule) {
        return ProcessHandle.of(fact(host.describe(capsule), "vmm_pid")).orElseThrow();
    }

    /** The same, found on the machine: also while it is being started or saved. */
    Optional<ProcessHandle> vmmOf(CapsuleId capsule) {
        return ProcessHandle.allProcesses()
                .filter(p -> isVmmOf(capsule, p))
                .filter(ProcessHandle::isAlive)
                .findFirst();
    }

    private static boolean isVmmOf(CapsuleId capsule, ProcessHandle process) {
        return commandLine(process).contains(capsule.text()) && isInASlot(process);
    }

    /** Whatever the VMM is, it runs in the network namespace of its slot. */
    private static boolean isInASlot(ProcessHandle process) {
        var own = Path.of("/proc/self/ns/net");
        var its = Path.of("/proc/" + process.pid() + "/ns/net");
        try {
            return !Files.readSymbolicLink(its).equals(Files.readSymbolicLink(own));
        } catch (IOException _) {
            return false; // it has ended
        }
    }

    /** Empty if it has ended. */
    static String commandLine(ProcessHandle process) {
        var file = Path.of("/proc", Long.toString(process.pid()), "cmdline");
        try {
            return Files.readString(file, StandardCharsets.ISO_8859_1);
        } catch (IOException _) {
            return "";
        }
    }

    static List<String> names(Path parent) {
        try (var entries = Files.list(parent)) {
            return entries.map(e -> e.getFileName().toString()).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Destroys what the test made and has not destroyed, so that the next one starts clean. */
    void tidy() {
        faults.clear();
        made.forEach(host::destroy);
        made.clear();
    }

    // ---- in the guest

    /** What a shell line prints, without white space around it; it must succeed. */
    String shell(CapsuleId capsule, String line) {
        return run(capsule, line).strip();
    }

    /** What a shell script prints; it must succeed. */
    String run(CapsuleId capsule, String script) {
        return run(capsule, ProcessStart.of("/bin/sh", List.of("-c", script)));
    }

    /** What a program prints; it must succeed. */
    String run(CapsuleId capsule, ProcessStart order) {
        try (var session = host.guest(capsule);
                var process = session.start(order)) {
            var output = new StringBuilder();
            for (var event = process.next(); event.isPresent(); event = process.next()) {
                switch (event.get()) {
                    case ProcessEvent.Started _ -> {}
                    case ProcessEvent.Output(var _, var bytes) ->
                            output.append(new String(bytes, StandardCharsets.UTF_8));
                    case ProcessEvent.Ended(int code, var status, boolean _) -> {
                        if (code != 0) {
                            throw new AssertionError(order + ": " + status + ": " + output);
                        }
                    }
                }
            }
            return output.toString();
        }
    }

    void write(CapsuleId capsule, String path, String content) {
        try (var session = host.guest(capsule)) {
            session.write(
                    path, 0, new ByteArrayInputStream(content.getBytes(StandardCharsets.UTF_8)));
        }
    }

    /** Memory of a process in the guest that lives as long as the capsule. */
    GuestMemory memory(CapsuleId capsule, int mib) {
        return GuestMemory.start(this, capsule, mib);
    }

    // ---- on the machine

    /** Everything of this lab on the machine and in this process. */
    HostView view() {
        var prefix = Host.prefixOf(folder);
        return HostInventory.view()
                .marked(prefix)
                .numbersAlike()
                .under(Path.of("/run/wrenn", prefix))
                .under(volume().resolve("disks"))
                .under(store().resolve("drafts"))
                .and(Part.DESCRIPTORS);
    }

    /** What there is once the slots given back are torn down and new ones are ready. */
    HostInventory restingInventory() {
        var resting = new HostInventory[] {view().take()};
        var same = new int[1];
        Eventually.within(
                CLEAN_UP,
                "the pool is at rest",
                () -> {
                    var now = view().take();
                    int atRest = slotsIn(now) == config.poolSlots() + runningCapsules() ? 1 : 0;
                    same[0] = now.equals(resting[0]) ? same[0] + atRest : 0;
                    resting[0] = now;
                    return same[0] == LOOKS_AT_REST;
                });
        return resting[0];
    }

    private static long slotsIn(HostInventory inventory) {
        return inventory
                .things()
                .getOrDefault(Part.NETWORK_NAMESPACES, new TreeMap<>())
                .values()
                .stream()
                .mapToInt(Integer::intValue)
                .sum();
    }

    private long runningCapsules() {
        return host.inventory().stream().filter(c -> c.state() == HostState.RUNNING).count();
    }

    /** Demands that everything is as it was; what is torn down in the background gets time. */
    void assertNothingLeftSince(HostInventory before) {
        before.assertRestored(view(), CLEAN_UP);
    }

    /** How many threads of this process work for that capsule. */
    static Map<String, Long> threadsFor(CapsuleId capsule) {
        return Thread.getAllStackTraces().keySet().stream()
                .map(Thread::getName)
                .filter(name -> name.contains(capsule.text()))
                .collect(Collectors.groupingBy(n -> n, TreeMap::new, Collectors.counting()));
    }

    /** Bytes that a file or folder occupies. */
    static long allocated(Path path) {
        var output = Command.of("du", "-sk", path.toString()).run().stdout();
        return Long.parseLong(output.substring(0, output.indexOf('\t'))) << 10;
    }

    /** Where a capsule was saved: the folder of its snapshot and the layer that this added. */
    record Saved(Path snapshot, Path layer) {}

    /**
     * Pauses it and finds what that wrote. By what was not there before, not by times: a working
     * set that is recorded later touches the folder of an older snapshot.
     */
    Saved save(CapsuleId capsule) {
        var snapshots = entries(store().resolve("snapshots"));
        var layers = entries(store().resolve("layers"));
        host.pause(capsule);
        return new Saved(
                added(store().resolve("snapshots"), snapshots),
                added(store().resolve("layers"), layers));
    }

    private static Path added(Path folder, Set<Path> before) {
        var added = entries(folder).stream().filter(entry -> !before.contains(entry)).toList();
        assertThat(added).as("what is new in " + folder).hasSize(1);
        return added.getFirst();
    }

    private static Set<Path> entries(Path folder) {
        try (var entries = Files.list(folder)) {
            return entries.collect(Collectors.toSet());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void awaitState(CapsuleId capsule, HostState state) {
        Eventually.within(SOON, capsule + " is " + state, () -> stateOf(capsule) == state);
    }

    @Override
    public void close() {
        try {
            tidy();
        } finally {
            host.close();
            if (isFolderOurs) {
                deleteFolder(folder);
            }
        }
    }

    /** Unmounts what a killed host agent left and deletes the folder. */
    static void deleteFolder(Path folder) {
        var volume = folder.resolve("volume");
        Command.of("umount", volume.toString()).tryRun();
        Command.of("rm", "-rf", "--one-file-system", folder.toString())
                .within(Duration.ofMinutes(1))
                .run();
    }
}
