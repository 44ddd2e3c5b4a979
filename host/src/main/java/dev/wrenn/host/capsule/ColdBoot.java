package dev.wrenn.host.capsule;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Secret;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.UndoStack;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.ProcessEvent;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.contract.host.ProcessDefaults;
import dev.wrenn.host.guest.GuestInit;
import dev.wrenn.host.image.StockDisks;
import dev.wrenn.host.journal.RunRecord;
import dev.wrenn.snapshot.Snapshot;
import dev.wrenn.vmm.MemoryReader;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Boots a root disk once in a given shape and saves the result; every capsule of that shape starts
 * from it.
 */
public final class ColdBoot {
    private static final Logger LOG = LoggerFactory.getLogger(ColdBoot.class);
    private static final Duration WARM_UP_LIMIT = Duration.ofSeconds(60);
    private static final Duration PREPARE_LIMIT = Duration.ofMinutes(5);
    private static final int MOST_SAID = 4 << 10;

    /** Where a booted snapshot's manifest says how long that boot took until the agent answered. */
    public static final String BOOT_MS = "boot_ms";

    /**
     * What is booted.
     *
     * @param image immutable, to be cloned
     * @param preparesItself whether {@link StockDisks#PREPARE} on it makes it ready
     */
    public record Disk(Path image, boolean preparesItself) {}

    private final Machinery machinery;
    private final ResumePath resumePath;
    private final PausePath pausePath;

    /** Works with these mechanisms. */
    public ColdBoot(Machinery machinery) {
        this.machinery = machinery;
        this.resumePath = new ResumePath(machinery);
        this.pausePath = new PausePath(machinery);
    }

    /**
     * Boots, saves, and resumes the result once to learn which memory a start touches.
     *
     * @param template whose root disk it is
     * @param disk what is booted
     * @return the sealed snapshot
     */
    public Snapshot build(String template, Disk disk, int vcpus, ByteSize memory) {
        var name = "boot-" + UUID.randomUUID().toString().substring(0, 8);
        var token = new Secret(UUID.randomUUID().toString());
        var watch = Stopwatch.start();
        var deadline = Deadline.after(machinery.config().bootLimit());
        Snapshot snapshot;
        try (var run = boot(name, template, disk.image(), vcpus, memory, token, deadline)) {
            var bootMillis = watch.elapsed().toMillis();
            warmUp(run);
            if (disk.preparesItself()) {
                prepare(run);
            }
            snapshot =
                    pausePath.save(
                            run,
                            Optional.empty(),
                            new PausePath.Facts(
                                    template,
                                    vcpus,
                                    memory,
                                    Map.of(
                                            PausePath.TOKEN,
                                            token.reveal(),
                                            BOOT_MS,
                                            Long.toString(bootMillis))),
                            Deadline.after(machinery.config().pauseLimit()));
        }
        try {
            learnWorkingSet(name, template, disk, snapshot, token);
        } catch (WrennException e) {
            machinery.store().delete(snapshot.id());
            throw e;
        }
        LOG.atInfo()
                .addKeyValue("template", template)
                .addKeyValue("vcpus", vcpus)
                .addKeyValue("memory_mb", memory.toMib())
                .addKeyValue("took_ms", watch.elapsed().toMillis())
                .log("booted a template shape");
        return snapshot;
    }

    private RunningCapsule boot(
            String name,
            String template,
            Path rootDisk,
            int vcpus,
            ByteSize memory,
            Secret token,
            Deadline deadline) {
        var loss = new Loss();
        try (var undo = new UndoStack()) {
            machinery.room().disk().requireForStart();
            undo.hold(machinery.room().memory().admit(memory));
            var record = RunRecord.begin(name, machinery.bootId(), "");
            undo.hold(resumePath.openRunFolder(record));
            var disk = machinery.diskOf(name);
            ResumePath.deleteFile(disk);
            undo.undo(() -> ResumePath.deleteFile(disk));
            machinery.disks().cloneDisk(rootDisk, disk);
            var slot = undo.hold(resumePath.lease(deadline));
            record = record.withSlot(slot.slot().index());
            machinery.journal().write(record);
            var machine = machinery.machine(name, slot.slot(), vcpus, memory);
            var pages =
                    undo.hold(
                            switch (machinery.vmm().memoryReader()) {
                                case PAGE_SERVER ->
                                        machinery.pager().announced(name, machine.pageSocket());
                                case VMM -> machinery.pager().idle(name);
                            });
            var vm = undo.hold(machinery.vmm().boot(machine, machinery.bootSource(), deadline));
            vm.onEnd(end -> loss.report(CapsuleRefusal.lost(name, end)));
            var process = vm.process();
            machinery.journal().write(record.withProcess(process.pid(), process.startTicks()));
            if (machinery.vmm().memoryReader() == MemoryReader.PAGE_SERVER) {
                pages.awaitConnected(deadline);
            }
            var guest = undo.hold(machinery.guest(slot.slot(), process, token));
            guest.init(initOf(name, template, token), token, loss.reported(), deadline);
            return RunningCapsule.of(
                    name,
                    Optional.empty(),
                    slot.slot(),
                    disk,
                    pages,
                    vm,
                    guest,
                    record,
                    new Activity(machinery.clock()),
                    loss,
                    undo.handOver());
        } catch (RuntimeException e) {
            throw loss.explain(e);
        }
    }

    /** Runs what every capsule runs first, so that its code is in memory when it is saved. */
    private static void warmUp(RunningCapsule run) {
        run(run, "/bin/sh", List.of("-c", "exec true"), WARM_UP_LIMIT);
    }

    private static void prepare(RunningCapsule run, String... arguments) {
        var outcome = run(run, StockDisks.PREPARE, List.of(arguments), PREPARE_LIMIT);
        if (outcome.exitCode() != 0) {
            throw new WrennException(
                    Kind.UNAVAILABLE,
                    "the template's own preparation ended with exit code %d: %s"
                            .formatted(outcome.exitCode(), outcome.said()));
        }
    }

    private record Outcome(int exitCode, String said) {}

    private static Outcome run(
            RunningCapsule run, String program, List<String> arguments, Duration limit) {
        int exitCode = -1;
        var said = new ByteArrayOutputStream();
        try (var session = run.openSession();
                var process =
                        session.start(
                                new ProcessStart(
                                        program,
                                        arguments,
                                        Map.of(),
                                        Optional.empty(),
                                        Optional.of("root"),
                                        Optional.empty(),
                                        Optional.empty(),
                                        Optional.of(limit),
                                        Duration.ZERO))) {
            for (var event = process.next(); event.isPresent(); event = process.next()) {
                switch (event.get()) {
                    case ProcessEvent.Started _ -> {}
                    case ProcessEvent.Output(var _, var bytes) -> {
                        if (said.size() < MOST_SAID) {
                            said.writeBytes(bytes);
                        }
                    }
                    case ProcessEvent.Ended(var code, var _, var _) -> exitCode = code;
                }
            }
        }
        return new Outcome(exitCode, said.toString(StandardCharsets.UTF_8).strip());
    }

    private void learnWorkingSet(
            String name, String template, Disk disk, Snapshot snapshot, Secret token) {
        var order = new StartOrder(name, snapshot.id(), initOf(name, template, token));
        var limit = Deadline.after(machinery.config().startLimit());
        try (var run = resumePath.start(order, limit)) {
            warmUp(run);
            if (disk.preparesItself()) {
                prepare(run, "again");
            }
            snapshot.storeWorkingSet(run.pages().firstTouches());
        }
    }

    private GuestInit initOf(String name, String template, Secret token) {
        return new GuestInit(name, template, token, ProcessDefaults.NONE, machinery.clock());
    }
}
