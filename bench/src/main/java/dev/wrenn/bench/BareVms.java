package dev.wrenn.bench;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Pause;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.UndoStack;
import dev.wrenn.disk.Disks;
import dev.wrenn.host.guest.GuestAgent;
import dev.wrenn.host.image.GuestImages;
import dev.wrenn.network.Slot;
import dev.wrenn.network.SlotPool;
import dev.wrenn.pager.Pager;
import dev.wrenn.pager.PagerConfig;
import dev.wrenn.pager.PagerStats;
import dev.wrenn.snapshot.Snapshot;
import dev.wrenn.snapshot.WorkingSet;
import dev.wrenn.vmm.BootSource;
import dev.wrenn.vmm.VmSpec;
import dev.wrenn.vmm.Vmm;
import java.io.IOException;
import java.net.Inet4Address;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.IntStream;

/**
 * Virtual machines driven by monitor and pager alone, for what the API does not offer: a cold boot,
 * a resume that knows no working set, and one that loads all memory first.
 */
final class BareVms {
    private static final Duration LIMIT = Duration.ofMinutes(3);
    private static final Duration RETRY = Duration.ofMillis(1);
    private static final int ANSWER_LIMIT_MILLIS = 1_000;

    private final Vmm vmm;
    private final Pager pager;
    private final SlotPool slots;
    private final GuestImages images;
    private final Disks disks;
    private final Path runFolder;
    private final Path diskFolder;

    BareVms(
            Vmm vmm,
            SlotPool slots,
            GuestImages images,
            Disks disks,
            Path runFolder,
            Path diskFolder) {
        this.vmm = vmm;
        this.pager = new Pager(PagerConfig.DEFAULTS);
        this.slots = slots;
        this.images = images;
        this.disks = disks;
        this.runFolder = runFolder;
        this.diskFolder = diskFolder;
    }

    /** How much memory is there before the processors run. */
    enum Loading {
        ON_DEMAND,
        WORKING_SET,
        EVERYTHING
    }

    /**
     * A restored VM's first moments.
     *
     * @param readyMillis from the first step until the guest agent answers
     * @param faults answered until then
     */
    record Restored(double readyMillis, PagerStats faults) {}

    /** Milliseconds from the first step of a cold boot until the guest agent answers. */
    double coldBoot(ByteSize memory) {
        var deadline = Deadline.after(LIMIT);
        try (var undo = new UndoStack()) {
            var slot = lease(undo, deadline);
            var spec = spec(undo, images.minimalRootFs(), slot, 1, memory);
            var watch = Stopwatch.start();
            var _ = undo.hold(pager.announced(spec.name(), spec.pageSocket()));
            undo.hold(vmm.boot(spec, bootSource(), deadline));
            awaitHealth(slot.hostAddress(), deadline);
            return millis(watch);
        }
    }

    /** Restores a snapshot that was taken in any slot: inside all slots are the same. */
    Restored restore(Snapshot snapshot, Loading loading) {
        var deadline = Deadline.after(LIMIT);
        try (var undo = new UndoStack()) {
            var slot = lease(undo, deadline);
            var manifest = snapshot.manifest();
            var spec = spec(undo, snapshot.disk(), slot, manifest.vcpus(), manifest.memory());
            var watch = Stopwatch.start();
            var image = undo.hold(snapshot.image());
            var prefetch =
                    switch (loading) {
                        case ON_DEMAND -> WorkingSet.EMPTY;
                        case WORKING_SET -> snapshot.workingSet();
                        case EVERYTHING -> allOf(manifest.memory());
                    };
            var pages =
                    undo.hold(
                            pager.serve(spec.name(), spec.pageSocket(), image, prefetch, _ -> {}));
            var vm = undo.hold(vmm.restore(spec, snapshot.vmState(), deadline));
            pages.awaitConnected(deadline);
            if (loading == Loading.EVERYTHING) {
                awaitLoaded(pages::stats, image.pageCount(), deadline);
            }
            vm.resume(deadline);
            awaitHealth(slot.hostAddress(), deadline);
            return new Restored(millis(watch), pages.stats());
        }
    }

    /** A slot and a clone of the snapshot's disk for the floor, which does the rest by itself. */
    Slot lease(UndoStack undo, Deadline deadline) {
        var slot = slots.lease(deadline);
        undo.undo(() -> slots.giveBack(slot));
        return slot;
    }

    /** A writable clone that is gone when the stack is closed. */
    Path cloneDisk(UndoStack undo, Path from) {
        var disk = diskFolder.resolve("bench.raw");
        delete(disk);
        undo.undo(() -> delete(disk));
        disks.cloneDisk(from, disk);
        return disk;
    }

    private VmSpec spec(UndoStack undo, Path disk, Slot slot, int vcpus, ByteSize memory) {
        return new VmSpec(
                "bench",
                runFolder,
                vcpus,
                memory,
                cloneDisk(undo, disk),
                diskFolder.resolve("bench.vmm"),
                slot.namespace(),
                slot.tap(),
                slot.macAddress(),
                runFolder.resolve("pages.sock"));
    }

    private BootSource bootSource() {
        return new BootSource(
                images.kernel(),
                images.initrd(),
                "wrenn.root=/dev/vda wrenn.ip=%s/%d wrenn.gw=%s wrenn.dns=%s"
                        .formatted(
                                Slot.GUEST_ADDRESS,
                                Slot.PREFIX_LENGTH,
                                Slot.GATEWAY_ADDRESS,
                                String.join(",", Slot.GUEST_RESOLVERS)));
    }

    private static WorkingSet allOf(ByteSize memory) {
        return WorkingSet.of(
                IntStream.range(0, (int) (memory.bytes() / WorkingSet.CLUSTER_BYTES)).toArray());
    }

    /** Loading the state itself touches some pages, so those come as faults. */
    private static void awaitLoaded(
            java.util.function.Supplier<PagerStats> stats, long pages, Deadline deadline) {
        Pause.until(
                () -> {
                    var now = stats.get();
                    return now.prefetchedPages() + now.copiedPages() + now.zeroPages() >= pages;
                },
                RETRY,
                deadline);
        deadline.check("loading all memory");
    }

    private static void awaitHealth(Inet4Address address, Deadline deadline) {
        Pause.until(() -> isHealthy(address), RETRY, deadline);
        deadline.check("waiting for the guest agent");
    }

    private static boolean isHealthy(Inet4Address address) {
        try (var socket = new Socket()) {
            socket.setSoTimeout(ANSWER_LIMIT_MILLIS);
            socket.setTcpNoDelay(true);
            socket.connect(new InetSocketAddress(address, GuestAgent.PORT), ANSWER_LIMIT_MILLIS);
            socket.getOutputStream()
                    .write(
                            "GET /health HTTP/1.1\r\nHost: guest\r\nConnection: close\r\n\r\n"
                                    .getBytes(StandardCharsets.US_ASCII));
            var answer = new String(socket.getInputStream().readNBytes(10), StandardCharsets.UTF_8);
            return answer.equals("HTTP/1.1 2");
        } catch (IOException _) {
            return false; // not yet; the caller has a deadline
        }
    }

    private static double millis(Stopwatch watch) {
        return watch.elapsedNanos() / 1e6;
    }

    private static void delete(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw BenchFailed.because("cannot delete " + file, e);
        }
    }
}
