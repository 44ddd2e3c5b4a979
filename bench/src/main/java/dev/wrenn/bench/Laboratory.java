package dev.wrenn.bench;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Progress;
import dev.wrenn.base.Resource;
import dev.wrenn.base.UndoStack;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.control.ControlPlane;
import dev.wrenn.control.Database;
import dev.wrenn.control.capsule.ControlConfig;
import dev.wrenn.disk.Disks;
import dev.wrenn.gateway.Gateway;
import dev.wrenn.gateway.GatewayConfig;
import dev.wrenn.host.Host;
import dev.wrenn.host.capsule.HostConfig;
import dev.wrenn.host.image.GuestImages;
import dev.wrenn.network.NetworkConfig;
import dev.wrenn.network.SlotPool;
import dev.wrenn.server.EmbeddedDatabase;
import dev.wrenn.snapshot.Snapshot;
import dev.wrenn.snapshot.SnapshotStore;
import dev.wrenn.vmm.DeviceLimits;
import dev.wrenn.vmm.choice.FirecrackerSearch;
import dev.wrenn.vmm.choice.VmmSelection;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Comparator;
import java.util.Set;

/**
 * A whole Wrenn in this process on a data folder of its own, and beside it the bare mechanisms on
 * the same snapshots.
 */
final class Laboratory implements Resource {
    private static final String SHIM = "libwrenn_uffd_shim.so";
    private static final String AGENT = "wrenn-guest-agent";
    private static final Path RUN_ROOT = Path.of("/run/wrenn");

    /** Names what the bare mechanisms put on the machine, beside the host agent's own prefix. */
    private static final String PREFIX = "bench";

    private final Host host;
    private final Api api;
    private final BareVms bare;
    private final Floor floor;
    private final SnapshotStore store;
    private final Path scratch;
    private final UndoStack teardown;

    private Laboratory(
            Host host,
            Api api,
            BareVms bare,
            Floor floor,
            SnapshotStore store,
            Path scratch,
            UndoStack teardown) {
        this.host = host;
        this.api = api;
        this.bare = bare;
        this.floor = floor;
        this.store = store;
        this.scratch = scratch;
        this.teardown = teardown;
    }

    /**
     * Opens it; the first time on a folder takes minutes, because the guest's disk is made.
     *
     * @param checkout where the sources of the programs in C are
     * @param guestFiles where the built guest agent and shim are
     */
    static Laboratory open(Path folder, Path checkout, Path guestFiles, Progress progress) {
        try (var undo = new UndoStack()) {
            var shim = guestFiles.resolve(SHIM);
            var config = HostConfig.of(folder, shim, guestFiles.resolve(AGENT));
            var host = undo.hold(Host.open(config, progress));
            var embedded = undo.hold(EmbeddedDatabase.open(folder.resolve("postgres")));
            var database = undo.hold(Database.open(embedded.address()));
            var control =
                    undo.hold(
                            ControlPlane.start(
                                    ControlConfig.DEFAULTS,
                                    database,
                                    host,
                                    InstantSource.system(),
                                    "127.0.0.1",
                                    0,
                                    door -> new Gateway(door, GatewayConfig.DEFAULTS)));
            var api = undo.hold(new Api(control.port(), control.createKey("bench")));
            var volume = folder.resolve("volume");
            var runFolder = Files.createDirectories(RUN_ROOT.resolve(PREFIX));
            var scratch = Files.createDirectories(volume.resolve("bench"));
            var slots =
                    undo.hold(
                            SlotPool.open(
                                    NetworkConfig.of(PREFIX, RUN_ROOT)
                                            .withPoolSize(1)
                                            .withMaxSlots(2)));
            slots.retainOnly(Set.of());
            var vmm =
                    undo.hold(
                            VmmSelection.choose(
                                            new VmmSelection.Options(
                                                    FirecrackerSearch.of(folder),
                                                    DeviceLimits.NONE,
                                                    shim))
                                    .vmm());
            var bare =
                    new BareVms(
                            vmm,
                            slots,
                            GuestImages.prepare(folder, config.agent(), Progress.silent()),
                            new Disks(),
                            runFolder,
                            scratch);
            var floor = Floor.compile(checkout, shim, vmm.kind(), runFolder, scratch);
            var store = new SnapshotStore(volume.resolve("store"));
            return new Laboratory(host, api, bare, floor, store, scratch, undo.handOver());
        } catch (IOException e) {
            throw BenchFailed.because("cannot make the folders of the bench", e);
        }
    }

    /** Boots the usual template with that much memory, unless that was done before. */
    void warmUp(int memoryMb, Progress progress) {
        try (var step = progress.start("Booting the template at " + memoryMb + " MiB", 0)) {
            host.warmUp(TemplateId.MINIMAL, 1, memoryMb);
            step.done();
        }
    }

    Host host() {
        return host;
    }

    Api api() {
        return api;
    }

    BareVms bare() {
        return bare;
    }

    Floor floor() {
        return floor;
    }

    /** Where large files may lie for a while. */
    Path scratch() {
        return scratch;
    }

    /** The snapshot that was sealed last. */
    Snapshot newestSnapshot() {
        return store.list().stream()
                .map(store::open)
                .max(Comparator.comparing(s -> Instant.parse(s.manifest().createdAt())))
                .orElseThrow(() -> new WrennException(Kind.ABSENT, "there is no snapshot"));
    }

    @Override
    public void close() {
        teardown.close();
    }
}
