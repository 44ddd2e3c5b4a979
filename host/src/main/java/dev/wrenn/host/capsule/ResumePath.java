package dev.wrenn.host.capsule;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Secret;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.UndoStack;
import dev.wrenn.base.WrennException;
import dev.wrenn.host.journal.RunRecord;
import dev.wrenn.network.Slot;
import dev.wrenn.pager.MemoryRegion;
import dev.wrenn.pager.PageServer;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.snapshot.Snapshot;
import dev.wrenn.vmm.VmSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
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

    /**
     * Starts the VM and waits until the guest agent answers.
     *
     * @return the run; the caller closes it
     * @throws WrennException what the VM or its pages were lost to, if they were
     */
    RunningCapsule start(StartOrder order, Deadline deadline) {
        var loss = new Loss();
        try (var undo = new UndoStack();
                var forks = new Forks()) {
            return start(order, loss, undo, forks, deadline);
        } catch (RuntimeException e) {
            throw loss.explain(e);
        }
    }

    private RunningCapsule start(
            StartOrder order, Loss loss, UndoStack undo, Forks forks, Deadline deadline) {
        var capsule = order.capsule();
        var journal = machinery.journal();
        var steps = machinery.steps();
        var watch = Stopwatch.start();
        var record = RunRecord.begin(capsule, machinery.bootId(), order.snapshot().toString());
        machinery.room().disk().requireForStart();
        steps.before(ResumeStep.RUN_FOLDER);
        undo.hold(openRunFolder(record));

        var leasing = forks.start("lease slot", () -> lease(deadline));
        steps.before(ResumeStep.SNAPSHOT);
        undo.hold(machinery.store().hold(order.snapshot()));
        var snapshot = machinery.store().open(order.snapshot());
        demandLoadable(snapshot);
        undo.hold(machinery.room().memory().admit(snapshot.manifest().memory()));
        var image = undo.hold(snapshot.image());
        image.prefetch(snapshot.workingSet());
        steps.before(ResumeStep.DISK);
        var disk = undo.hold(cloneDisk(snapshot, capsule));
        var slot = undo.hold(leasing.take(deadline.left()));
        record = record.withSlot(slot.slot().index());
        steps.before(ResumeStep.SLOT_RECORD);
        journal.write(record);

        var manifest = snapshot.manifest();
        var machine = machinery.machine(capsule, slot.slot(), manifest.vcpus(), manifest.memory());
        steps.before(ResumeStep.PAGES);
        var pages = undo.hold(servePages(machine, snapshot, image, loss));
        var prepared = watch.elapsed();
        steps.before(ResumeStep.VMM);
        var vm = undo.hold(machinery.vmm().restore(machine, snapshot.vmState(), deadline));
        vm.onEnd(end -> loss.report(CapsuleRefusal.lost(capsule, end)));
        var process = vm.process();
        record = record.withProcess(process.pid(), process.startTicks());
        steps.before(ResumeStep.VMM_RECORD);
        journal.write(record);
        pages.awaitConnected(deadline);
        steps.before(ResumeStep.VCPUS);
        vm.resume(deadline);
        var running = watch.elapsed();

        var guest = undo.hold(machinery.guest(slot.slot(), process, order.init().token()));
        steps.before(ResumeStep.GUEST);
        // The agent in a forked or template snapshot still has the token of whoever made it.
        var authority = PausePath.tokenOf(snapshot).map(Secret::new).orElse(order.init().token());
        guest.init(order.init(), authority, loss.reported(), deadline);
        record = record.serving(regions(pages.regions()));
        steps.before(ResumeStep.SERVING_RECORD);
        journal.write(record);
        steps.before(ResumeStep.READY);
        image.fill();
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
                loss,
                undo.handOver());
    }

    /** A VMM whose pages cannot be served would wait for them: it is ended at once. */
    private PageServer servePages(VmSpec machine, Snapshot snapshot, PageSource image, Loss loss) {
        var server = new CompletableFuture<PageServer>();
        var pages =
                machinery
                        .pager()
                        .serve(
                                machine.name(),
                                machine.pageSocket(),
                                image,
                                snapshot.workingSet(),
                                failure -> {
                                    loss.report(failure);
                                    var _ = server.thenAccept(PageServer::endVmm);
                                });
        server.complete(pages);
        return pages;
    }

    /** Says before anything is tried what a VMM would say in its own words, or not at all. */
    private void demandLoadable(Snapshot snapshot) {
        var here = machinery.vmm().stateFormat();
        var there = snapshot.manifest().attributes().getOrDefault(PausePath.STATE_FORMAT, here);
        if (!there.equals(here)) {
            throw CapsuleRefusal.otherVmm(there, here);
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
        machinery.steps().before(ResumeStep.SLOT);
        return new LeasedSlot(machinery.slots().lease(deadline), machinery);
    }

    /** The folder for sockets and the run record; gone when closed. */
    Resource openRunFolder(RunRecord record) {
        var folder = machinery.journal().runFolder(record.capsule());
        deleteFolder(folder);
        try (var undo = new UndoStack()) {
            undo.undo(() -> deleteFolder(folder));
            Files.createDirectories(folder);
            machinery.journal().write(record);
            return undo.handOver();
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot make the capsule's run folder", e);
        }
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
