package dev.wrenn.cli;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Kind;
import dev.wrenn.base.UndoStack;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.folder.DataFolder;
import dev.wrenn.cli.folder.FolderLock;
import dev.wrenn.cli.folder.ServerRecord;
import dev.wrenn.cli.terminal.TerminalProgress;
import dev.wrenn.disk.DataVolume;
import dev.wrenn.snapshot.SnapshotId;
import dev.wrenn.snapshot.SnapshotStore;
import dev.wrenn.snapshot.StoreAudit;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.ToIntFunction;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Operator's view of the snapshots in a data folder, with or without a server running. */
@Command(
        name = "snapshot",
        description = "Lists, inspects or verifies the snapshots of a data folder.",
        mixinStandardHelpOptions = true,
        subcommands = {
            SnapshotCommand.ListAll.class,
            SnapshotCommand.Inspect.class,
            SnapshotCommand.Verify.class
        })
final class SnapshotCommand implements Runnable {
    @Spec private CommandSpec spec = CommandSpec.create();

    @Override
    public void run() {
        spec.commandLine().usage(System.out);
    }

    /** What is there and what it costs. */
    @Command(
            name = "list",
            description = "Lists all snapshots and what they cost together.",
            mixinStandardHelpOptions = true)
    static final class ListAll implements Callable<Integer> {
        @Mixin private Options options = new Options();

        private record Listed(
                List<StoreAudit.Entry> snapshots,
                StoreAudit.Space space,
                double spaceAmplification) {}

        @Override
        public Integer call() {
            return look(
                    options,
                    audit -> {
                        var entries = audit.list();
                        var space = audit.space();
                        var lines = new ArrayList<String>();
                        entries.forEach(e ->
                                lines.add(
                                        "%s  %s  %2d vCPU %10s  %2d layers, %s stored"
                                                .formatted(
                                                        e.snapshot(),
                                                        e.createdAt(),
                                                        e.vcpus(),
                                                        new ByteSize(e.memoryBytes()),
                                                        e.depth(),
                                                        new ByteSize(e.storedBytes()))));
                        lines.add(
                                ("%d snapshots; memory: %d layers, %s, of which %s in use (space"
                                                + " amplification %.2f)")
                                        .formatted(
                                                space.snapshots(),
                                                space.layers(),
                                                new ByteSize(space.layerBytes()),
                                                new ByteSize(space.liveBytes()),
                                                space.amplification()));
                        options.print(new Listed(entries, space, space.amplification()), lines);
                        return 0;
                    });
        }
    }

    /** One snapshot in detail. */
    @Command(
            name = "inspect",
            description = "Shows what a snapshot is made of.",
            mixinStandardHelpOptions = true)
    static final class Inspect implements Callable<Integer> {
        @Mixin private Options options = new Options();

        @Parameters(paramLabel = "SNAPSHOT", description = "Its id: snap-...")
        private String snapshot = "";

        @Override
        public Integer call() {
            var id = parse(snapshot);
            return look(
                    options,
                    audit -> {
                        var e = audit.inspect(id);
                        options.print(
                                e,
                                List.of(
                                        "snapshot     " + e.snapshot(),
                                        "parent       "
                                                + (e.parent().isEmpty() ? "none" : e.parent()),
                                        "template     " + e.template(),
                                        "created      " + e.createdAt(),
                                        "saved by     " + e.vmm(),
                                        "shape        %d vCPU, %s"
                                                .formatted(
                                                        e.vcpus(), new ByteSize(e.memoryBytes())),
                                        ("memory       %s in %d layers of %s (space"
                                                        + " amplification %.2f); %s of it new")
                                                .formatted(
                                                        new ByteSize(e.storedBytes()),
                                                        e.depth(),
                                                        new ByteSize(e.layerBytes()),
                                                        e.amplification(),
                                                        new ByteSize(e.writtenBytes())),
                                        "disk         %s, %s"
                                                .formatted(
                                                        new ByteSize(e.diskBytes()),
                                                        e.isDiskSummed()
                                                                ? "with checksums"
                                                                : "checksums not computed yet"),
                                        "working set  %d clusters of 64 KiB"
                                                .formatted(e.workingSetClusters())));
                        return 0;
                    });
        }
    }

    /** Every byte against its checksum. */
    @Command(
            name = "verify",
            description = "Reads every byte of snapshots and compares it with its checksum.",
            mixinStandardHelpOptions = true,
            footer = {"", "Exit code: 0 if nothing is damaged, 1 if something is."})
    static final class Verify implements Callable<Integer> {
        @Mixin private Options options = new Options();

        @Parameters(
                paramLabel = "SNAPSHOT",
                arity = "0..*",
                description = "Which ones. Default: all")
        private List<String> snapshots = List.of();

        private record Verified(int checked, List<StoreAudit.Damage> damages) {}

        @Override
        public Integer call() {
            var asked = snapshots.stream().map(SnapshotCommand::parse).toList();
            return look(
                    options,
                    (audit, store) -> {
                        var known = store.list();
                        for (var id : asked) {
                            if (!known.contains(id)) {
                                throw new WrennException(Kind.ABSENT, "there is no snapshot " + id);
                            }
                        }
                        var ids = asked.isEmpty() ? List.copyOf(known) : asked;
                        var damages = audit.verify(ids, TerminalProgress.onStandardError());
                        var lines = new ArrayList<String>();
                        damages.forEach(d -> lines.add(d.snapshot() + ": " + d.what()));
                        lines.add(
                                damages.isEmpty()
                                        ? "%d snapshots checked, nothing is damaged"
                                                .formatted(ids.size())
                                        : "%d snapshots checked, %d damages found"
                                                .formatted(ids.size(), damages.size()));
                        options.print(new Verified(ids.size(), damages), lines);
                        return damages.isEmpty() ? 0 : 1;
                    });
        }
    }

    /** What a subcommand does with the store. */
    private interface Look {
        int at(StoreAudit audit, SnapshotStore store);
    }

    private static int look(Options options, ToIntFunction<StoreAudit> work) {
        return look(options, (audit, _) -> work.applyAsInt(audit));
    }

    private static int look(Options options, Look work) {
        var folder = new DataFolder(options.folder(System.getenv()));
        if (!Files.isDirectory(folder.path())) {
            throw new WrennException(
                    Kind.ABSENT,
                    "there is no data folder %s; name one with --dir".formatted(folder.path()));
        }
        try (var undo = new UndoStack()) {
            if (ServerRecord.running(folder.serverRecord()).isEmpty()) {
                // Without a server the volume may have to be mounted; none may start meanwhile.
                undo.hold(FolderLock.take(folder));
            }
            var root =
                    DataVolume.existing(folder.path())
                            .map(volume -> undo.hold(volume).root().resolve(SnapshotStore.FOLDER))
                            .filter(Files::isDirectory)
                            .orElseThrow(() ->
                                    new WrennException(
                                            Kind.ABSENT,
                                            "the data folder %s holds no snapshots"
                                                    .formatted(folder.path())));
            var store = new SnapshotStore(root);
            return work.at(new StoreAudit(store), store);
        }
    }

    private static SnapshotId parse(String text) {
        try {
            return new SnapshotId(text);
        } catch (IllegalArgumentException e) {
            throw new WrennException(
                    Kind.INVALID,
                    "\"%s\" is no snapshot id; `wrenn snapshot list` shows them".formatted(text),
                    e);
        }
    }
}
