package dev.wrenn.host.capsule;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.UndoStack;
import dev.wrenn.base.WrennException;
import dev.wrenn.host.guest.GuestAgent;
import dev.wrenn.host.journal.RunRecord;
import dev.wrenn.network.Slot;
import dev.wrenn.pager.MemoryRegion;
import dev.wrenn.snapshot.Snapshot;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings a capsule to life from a snapshot: the one path behind create and resume.
 *
 * <p>Every step journals what it is about to take and holds it in the undo stack, so that a failure
 * at any step leaves nothing behind, and a host agent killed at any step finds what it held. On
 * success the same stack is the capsule's teardown: VM before pager, pager before disk, disk before
 * slot. The snapshot is only read.
 */
public final class ResumePath {
    private static final Logger LOG = LoggerFactory.getLogger(ResumePath.class);

    private final Machinery machinery;

    /** Works with these mechanisms. */
    public ResumePath(Machinery machinery) {
        this.machinery = machinery;
    }

    /** Told when a run loses its VM or its pages; called at most once, from any thread. */
    public interface LossListener extends Consumer<WrennException> {}

    /**
     * Starts the VM and waits until the guest agent answers.
     *
     * @return the run; the caller closes it
     */
    RunningCapsule start(StartOrder order, LossListener onLoss, Deadline deadline) {
        try (var undo = new UndoStack();
                var forks = new Forks()) {
            var capsule = order.capsule();
            var journal = machinery.journal();
            var watch = Stopwatch.start();
            var record = RunRecord.begin(capsule, machinery.bootId(), order.snapshot().toString());
            undo.hold(openRunFolder(record));

            var leasing = forks.start("lease slot", () -> lease(deadline));
            undo.hold(machinery.store().hold(order.snapshot()));
            var snapshot = machinery.store().open(order.snapshot());
            var image = undo.hold(snapshot.image());
            var disk = undo.hold(cloneDisk(snapshot, capsule));
            var slot = undo.hold(leasing.take(deadline.left()));
            record = record.withSlot(slot.slot().index());
            journal.write(record);

            var machine =
                    machinery.machine(
                            capsule,
                            slot.slot(),
                            snapshot.manifest().vcpus(),
                            snapshot.manifest().memory());
            var pages =
                    undo.hold(
                            machinery
                                    .pager()
                                    .serve(
                                            capsule,
                                            machine.pageSocket(),
                                            image,
                                            snapshot.workingSet(),
                                            onLoss));
            var prepared = watch.elapsed();
            var vm = undo.hold(machinery.vmm().restore(machine, snapshot.vmState(), deadline));
            var process = vm.process();
            record = record.withProcess(process.pid(), process.startTicks());
            journal.write(record);
            pages.awaitConnected(deadline);
            vm.resume(deadline);
            var running = watch.elapsed();

            var guest =
                    new GuestAgent(
                            machinery.http(),
                            slot.slot().hostAddress(),
                            GuestAgent.PORT,
                            process,
                            order.init().token());
            guest.init(order.init(), order.authority(), deadline);
            record = record.serving(regions(pages.regions()));
            journal.write(record);
            vm.onEnd(end -> onLoss.accept(CapsuleRefusal.lost(capsule, end)));
            LOG.atInfo()
                    .addKeyValue("capsule", capsule)
                    .addKeyValue("prepared_ms", prepared.toMillis())
                    .addKeyValue("running_ms", running.toMillis())
                    .addKeyValue("ready_ms", watch.elapsed().toMillis())
                    .log("guest answers");
            return RunningCapsule.of(
                    capsule,
                    Optional.of(order.snapshot()),
                    slot.slot(),
                    disk.path(),
                    pages,
                    vm,
                    guest,
                    record,
                    new Activity(machinery.clock()),
                    undo.handOver());
        }
    }

    static List<RunRecord.Region> regions(List<MemoryRegion> regions) {
        return regions.stream()
                .map(r -> new RunRecord.Region(r.hostAddress(), r.sizeBytes(), r.offsetBytes()))
                .toList();
    }

    /** A slot that goes back to the pool when closed. */
    record LeasedSlot(Slot slot, Machinery machinery) implements Resource {
        @Override
        public void close() {
            machinery.slots().giveBack(slot);
        }
    }

    /** A capsule's disk, deleted when closed. */
    record RunDisk(Path path) implements Resource {
        @Override
        public void close() {
            deleteFile(path);
        }
    }

    LeasedSlot lease(Deadline deadline) {
        return new LeasedSlot(machinery.slots().lease(deadline), machinery);
    }

    /** The folder for sockets and the run record; gone when closed. */
    Resource openRunFolder(RunRecord record) {
        var folder = machinery.journal().runFolder(record.capsule());
        deleteFolder(folder);
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot make the capsule's run folder", e);
        }
        machinery.journal().write(record);
        return () -> deleteFolder(folder);
    }

    private RunDisk cloneDisk(Snapshot snapshot, String capsule) {
        var disk = machinery.diskOf(capsule);
        deleteFile(disk);
        machinery.disks().cloneDisk(snapshot.disk(), disk);
        return new RunDisk(disk);
    }

    static void deleteFile(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot delete a file of the capsule", e);
        }
    }

    static void deleteFolder(Path folder) {
        if (!Files.isDirectory(folder)) {
            return;
        }
        try (var tree = Files.walk(folder)) {
            tree.sorted(Comparator.reverseOrder()).forEach(ResumePath::deleteFile);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot delete the capsule's run folder", e);
        }
    }
}
