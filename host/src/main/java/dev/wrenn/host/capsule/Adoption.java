package dev.wrenn.host.capsule;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Secret;
import dev.wrenn.base.UndoStack;
import dev.wrenn.base.WrennException;
import dev.wrenn.host.guest.GuestAgent;
import dev.wrenn.host.journal.CapsuleRecord;
import dev.wrenn.host.journal.CapsuleRecord.Stage;
import dev.wrenn.host.journal.Journal.Durability;
import dev.wrenn.host.journal.RunRecord;
import dev.wrenn.linux.LinuxException;
import dev.wrenn.linux.Pidfd;
import dev.wrenn.linux.ProcessIdentity;
import dev.wrenn.pager.MemoryRegion;
import dev.wrenn.snapshot.SnapshotId;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes stock after a start: VMs that an earlier process left running are taken over, everything
 * else it held is freed, and each capsule is put where the truth puts it.
 *
 * <p>A VM is worth adopting only if user code may have run in it since its snapshot ({@link
 * RunRecord#worthAdopting}); a resume that was cut short is simply undone, for its snapshot is
 * whole.
 */
final class Adoption {
    private static final Logger LOG = LoggerFactory.getLogger(Adoption.class);
    private static final Duration ADOPT_LIMIT = Duration.ofSeconds(10);
    private static final Duration KILL_LIMIT = Duration.ofSeconds(10);

    private final Machinery machinery;
    private final List<WrennException> losses = new ArrayList<>();

    Adoption(Machinery machinery) {
        this.machinery = machinery;
    }

    /**
     * A capsule as it was found.
     *
     * @param onLoss where to report if its VM is lost later; filled in by {@link #watch}
     */
    record Found(CapsuleRecord record, CapsuleState state, LateListener onLoss) {
        void watch(Consumer<WrennException> listener) {
            onLoss.attach(listener);
        }
    }

    /** Holds a loss that is reported before there is a driver to tell. */
    static final class LateListener implements ResumePath.LossListener {
        private Optional<Consumer<WrennException>> listener = Optional.empty();
        private Optional<WrennException> early = Optional.empty();

        @Override
        public synchronized void accept(WrennException loss) {
            if (listener.isPresent()) {
                listener.get().accept(loss);
            } else {
                early = Optional.of(loss);
            }
        }

        synchronized void attach(Consumer<WrennException> target) {
            listener = Optional.of(target);
            early.ifPresent(target);
        }
    }

    List<Found> takeStock() {
        var found = new ArrayList<Found>();
        var keptRuns = new HashSet<String>();
        for (var record : machinery.journal().capsules()) {
            var run = machinery.journal().run(record.capsule()).filter(this::isOfThisBoot);
            if (record.stage() == Stage.DESTROYING) {
                run.ifPresent(this::endProcess);
                machinery.journal().forget(record.capsule());
                continue;
            }
            var listener = new LateListener();
            var adopted =
                    run.filter(this::isWorthAdopting).flatMap(r -> adopt(record, r, listener));
            if (adopted.isPresent()) {
                keptRuns.add(record.capsule());
                found.add(
                        new Found(
                                asRunning(record),
                                new CapsuleState.Running(adopted.get()),
                                listener));
                continue;
            }
            run.ifPresent(this::endProcess);
            settle(record, run.isPresent()).ifPresent(r -> found.add(asFound(r, listener)));
        }
        removeLeftovers(keptRuns);
        return found;
    }

    private static Found asFound(CapsuleRecord record, LateListener listener) {
        var state =
                record.stage() == Stage.FAILED
                        ? new CapsuleState.Failed()
                        : new CapsuleState.Paused();
        return new Found(record, state, listener);
    }

    private static CapsuleRecord asRunning(CapsuleRecord record) {
        return record.stage() == Stage.RUNNING ? record : record.to(Stage.RUNNING, "");
    }

    /** Where a capsule without a VM stands; empty if nothing of it was ever promised. */
    private Optional<CapsuleRecord> settle(CapsuleRecord record, boolean hadRun) {
        var settled =
                switch (record.stage()) {
                    case CREATING -> Optional.<CapsuleRecord>empty();
                    case PAUSED, FAILED -> Optional.of(record);
                    case RUNNING ->
                            Optional.of(
                                    record.snapshot().isEmpty()
                                            ? record.to(
                                                    Stage.FAILED,
                                                    "its VM ended while the host agent was down")
                                            : record.to(
                                                    Stage.PAUSED,
                                                    "its VM ended while the host agent was down; it"
                                                            + " can be resumed as it was last paused"));
                    case DESTROYING -> Optional.<CapsuleRecord>empty();
                };
        if (settled.isEmpty()) {
            machinery.journal().forget(record.capsule());
        } else if (!settled.get().equals(record)) {
            machinery.journal().write(settled.get(), Durability.SYNCED);
            LOG.atWarn()
                    .addKeyValue("capsule", record.capsule())
                    .addKeyValue("stage", settled.get().stage())
                    .addKeyValue("had_run", hadRun)
                    .log("capsule lost its VM while no host agent ran");
        }
        return settled;
    }

    private boolean isOfThisBoot(RunRecord run) {
        return run.bootId().equals(machinery.bootId());
    }

    private boolean isWorthAdopting(RunRecord run) {
        return run.worthAdopting() && identity(run).isAlive();
    }

    private Optional<RunningCapsule> adopt(
            CapsuleRecord record, RunRecord run, ResumePath.LossListener onLoss) {
        var deadline = Deadline.after(ADOPT_LIMIT);
        try (var undo = new UndoStack()) {
            var name = record.capsule();
            undo.undo(() -> ResumePath.deleteFolder(machinery.journal().runFolder(name)));
            var base = new SnapshotId(run.snapshot());
            undo.hold(machinery.store().hold(base));
            var image = undo.hold(machinery.store().open(base).image());
            var disk = machinery.diskOf(name);
            undo.undo(() -> ResumePath.deleteFile(disk));
            var slot =
                    undo.hold(
                            new ResumePath.LeasedSlot(
                                    machinery.slots().adopt(run.slot()), machinery));
            var machine =
                    machinery.machine(
                            name, slot.slot(), record.vcpus(), ByteSize.mib(record.memoryMb()));
            var regions =
                    run.regions().stream()
                            .map(r ->
                                    new MemoryRegion(
                                            r.hostAddress(), r.sizeBytes(), r.offsetBytes()))
                            .toList();
            var pages =
                    undo.hold(machinery.pager().adopt(name, identity(run), regions, image, onLoss));
            var vm =
                    undo.hold(
                            machinery
                                    .vmm()
                                    .adopt(machine, identity(run), deadline)
                                    .orElseThrow(() ->
                                            CapsuleRefusal.gone(name, "ended by its machine")));
            vm.resume(deadline); // a pause may have been cut short with the vCPUs stopped
            vm.onEnd(end -> onLoss.accept(CapsuleRefusal.lost(name, end)));
            var guest =
                    new GuestAgent(
                            machinery.http(),
                            slot.slot().hostAddress(),
                            GuestAgent.PORT,
                            identity(run),
                            new Secret(record.agentAccess()));
            LOG.atInfo().addKeyValue("capsule", name).log("running capsule adopted");
            return Optional.of(
                    RunningCapsule.of(
                            name,
                            Optional.of(base),
                            slot.slot(),
                            disk,
                            pages,
                            vm,
                            guest,
                            run,
                            new Activity(machinery.clock()),
                            undo.handOver()));
        } catch (WrennException e) {
            losses.add(e);
            LOG.atError()
                    .setCause(e)
                    .addKeyValue("capsule", record.capsule())
                    .log("a running capsule cannot be adopted");
            return Optional.empty();
        }
    }

    private void endProcess(RunRecord run) {
        var process = identity(run);
        if (run.pid() == 0 || !process.isAlive()) {
            return;
        }
        try (var pidfd = Pidfd.open(process.pid())) {
            if (process.isAlive()) { // still the same process now that we hold it
                pidfd.kill();
                pidfd.awaitExit(Deadline.after(KILL_LIMIT));
            }
        }
        LOG.atWarn()
                .addKeyValue("capsule", run.capsule())
                .addKeyValue("pid", run.pid())
                .log("ended a VM that belongs to nobody");
    }

    /** Frees run folders, disks and VMs that no capsule owns: boots and resumes that were cut. */
    private void removeLeftovers(Set<String> keptRuns) {
        for (var name : machinery.journal().runFolders()) {
            if (!keptRuns.contains(name)) {
                endProcessesIn(machinery.journal().runFolder(name));
                ResumePath.deleteFolder(machinery.journal().runFolder(name));
            }
        }
        try (var disks = Files.list(machinery.diskFolder())) {
            for (var disk : disks.toList()) {
                var name = disk.getFileName().toString().replaceFirst("\\.raw$", "");
                if (!keptRuns.contains(name)) {
                    ResumePath.deleteFile(disk);
                }
            }
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot list the disk folder", e);
        }
    }

    /**
     * Ends VMMs that work in a run folder: one that was started just before this host agent was
     * killed is in no record yet, but its command line names the folder.
     */
    private static void endProcessesIn(Path runFolder) {
        ProcessHandle.allProcesses()
                .filter(p -> commandLine(p.pid()).contains(runFolder + "/"))
                .forEach(p -> {
                    try (var pidfd = Pidfd.open(p.pid())) {
                        // Looked at again now that we hold it: the number may be new.
                        if (commandLine(p.pid()).contains(runFolder + "/")) {
                            pidfd.kill();
                            pidfd.awaitExit(Deadline.after(KILL_LIMIT));
                            LOG.atWarn()
                                    .addKeyValue("pid", p.pid())
                                    .log("ended a VM that belongs to nobody");
                        }
                    } catch (LinuxException e) {
                        if (e.kind() != Kind.ABSENT) {
                            throw e;
                        }
                    }
                });
    }

    private static String commandLine(long pid) {
        try {
            return Files.readString(Path.of("/proc/" + pid + "/cmdline"));
        } catch (IOException _) {
            return ""; // it ended
        }
    }

    private static ProcessIdentity identity(RunRecord run) {
        return new ProcessIdentity(run.pid(), run.startTicks());
    }
}
