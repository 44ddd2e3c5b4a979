package dev.wrenn.host.capsule;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Secret;
import dev.wrenn.base.UndoStack;
import dev.wrenn.base.WrennException;
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
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;
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
    private static final Duration KILL_LIMIT = Duration.ofSeconds(10);

    /** How long a snapshot may not be readable before its running VM is given up. */
    private static final Duration READING_LIMIT = Duration.ofSeconds(5);

    private final Machinery machinery;

    Adoption(Machinery machinery) {
        this.machinery = machinery;
    }

    /** A capsule as it was found. */
    record Found(CapsuleRecord record, CapsuleState state) {}

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
            var adopted = run.filter(this::isWorthAdopting).flatMap(r -> adopt(record, r));
            if (adopted.isPresent()) {
                keptRuns.add(record.capsule());
                found.add(
                        new Found(
                                asRunning(record, adopted.get()),
                                new CapsuleState.Running(adopted.get())));
                continue;
            }
            run.ifPresent(this::endProcess);
            settle(record, run.isPresent()).ifPresent(r -> found.add(asFound(r)));
        }
        removeLeftovers(keptRuns);
        return found;
    }

    private static Found asFound(CapsuleRecord record) {
        var state =
                record.stage() == Stage.FAILED
                        ? new CapsuleState.Failed()
                        : new CapsuleState.Paused();
        return new Found(record, state);
    }

    /** A host agent that was killed right after a start had not written it down for good. */
    private CapsuleRecord asRunning(CapsuleRecord record, RunningCapsule run) {
        if (record.stage() == Stage.RUNNING) {
            return record;
        }
        var started =
                record.started(
                        machinery.clock().millis(), run.slot().hostAddress().getHostAddress());
        machinery.journal().write(started, Durability.SYNCED);
        return started;
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

    private Optional<RunningCapsule> adopt(CapsuleRecord record, RunRecord run) {
        var deadline = Deadline.after(machinery.config().startLimit());
        var loss = new Loss();
        try (var undo = new UndoStack()) {
            var name = record.capsule();
            undo.undo(() -> ResumePath.deleteFolder(machinery.journal().runFolder(name)));
            var base = new SnapshotId(run.snapshot());
            undo.hold(machinery.store().hold(base));
            undo.hold(machinery.room().memory().admitRunning(ByteSize.mib(record.memoryMb())));
            var image =
                    undo.hold(
                            SecondReading.of(
                                    () -> machinery.store().open(base).image(),
                                    Deadline.after(READING_LIMIT)));
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
                    undo.hold(
                            machinery
                                    .pager()
                                    .adopt(name, identity(run), regions, image, loss::report));
            var vm =
                    undo.hold(
                            machinery
                                    .vmm()
                                    .adopt(machine, identity(run), deadline)
                                    .orElseThrow(() ->
                                            CapsuleRefusal.gone(name, "ended by its machine")));
            vm.resume(deadline); // a pause may have been cut short with the vCPUs stopped
            vm.onEnd(end -> loss.report(CapsuleRefusal.lost(name, end)));
            var guest =
                    machinery.guest(slot.slot(), identity(run), new Secret(record.agentAccess()));
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
                            loss,
                            undo.handOver()));
        } catch (WrennException e) {
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
        if (kill(run.pid(), process::isAlive)) {
            LOG.atWarn()
                    .addKeyValue("capsule", run.capsule())
                    .addKeyValue("pid", run.pid())
                    .log("ended a VM that belongs to nobody");
        }
    }

    /** Ends a process if it still is the one that is meant once we have a handle on it. */
    private static boolean kill(long pid, BooleanSupplier isMeant) {
        try (var pidfd = Pidfd.open(pid)) {
            if (!isMeant.getAsBoolean()) {
                return false;
            }
            pidfd.kill();
            if (!pidfd.awaitExit(Deadline.after(KILL_LIMIT))) {
                LOG.atError().addKeyValue("pid", pid).log("a killed VM does not end");
            }
            return true;
        } catch (LinuxException e) {
            if (e.kind() == Kind.ABSENT) {
                return false; // it ended by itself
            }
            throw e;
        }
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
                if (!keptRuns.contains(Machinery.ownerOf(disk))) {
                    ResumePath.deleteFolder(disk);
                    ResumePath.deleteFile(disk);
                }
            }
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot list the disk folder", e);
        }
    }

    /**
     * Ends VMMs that work in a run folder: one that was started just before this host agent was
     * killed is in no record yet, but its command line names the folder, or its root lies there.
     */
    private static void endProcessesIn(Path runFolder) {
        var folders = foldersIn(runFolder);
        ProcessHandle.allProcesses()
                .map(ProcessHandle::pid)
                .filter(pid -> worksIn(runFolder, folders, pid))
                .forEach(pid -> {
                    if (kill(pid, () -> worksIn(runFolder, folders, pid))) {
                        LOG.atWarn()
                                .addKeyValue("pid", pid)
                                .log("ended a VM that belongs to nobody");
                    }
                });
    }

    private static boolean worksIn(Path runFolder, Set<Object> folders, long pid) {
        return commandLine(pid).contains(runFolder + "/")
                || identityOf(Path.of("/proc/" + pid + "/root"))
                        .filter(folders::contains)
                        .isPresent();
    }

    /** What tells these folders from all others, by whatever path one comes to them. */
    private static Set<Object> foldersIn(Path runFolder) {
        var found = new HashSet<>();
        try (var tree = Files.walk(runFolder)) {
            tree.filter(Files::isDirectory)
                    .forEach(folder -> identityOf(folder).ifPresent(found::add));
        } catch (IOException | UncheckedIOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot look into a run folder", e);
        }
        return found;
    }

    private static Optional<Object> identityOf(Path folder) {
        try {
            return Optional.ofNullable(
                    Files.readAttributes(folder, BasicFileAttributes.class).fileKey());
        } catch (IOException _) {
            return Optional.empty(); // it is gone, or not ours to see
        }
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
