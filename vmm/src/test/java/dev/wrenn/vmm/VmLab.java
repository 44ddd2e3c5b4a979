package dev.wrenn.vmm;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Command;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Resource;
import dev.wrenn.base.UndoStack;
import dev.wrenn.pager.PageServer;
import dev.wrenn.pager.Pager;
import dev.wrenn.pager.PagerConfig;
import dev.wrenn.snapshot.WorkingSet;
import dev.wrenn.testkit.Eventually;
import dev.wrenn.testkit.Slowness;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.regex.Pattern;

/** What the VMs of the tests need around them: kernel, tap, disk, run folder, page servers. */
final class VmLab implements Resource {
    static final ByteSize MEMORY = ByteSize.mib(128);
    private static final Pattern TICK = Pattern.compile("tick (\\d+)");

    /** Starts the name of everything. */
    final String name = "v" + Integer.toString(new SecureRandom().nextInt(36 * 36 * 36), 36);

    final Path folder;
    final VmSpec spec;
    private final GuestKernelFixture guest;
    private final UndoStack undo = new UndoStack();
    private final Pager pager = new Pager(PagerConfig.DEFAULTS);

    VmLab(Path folder) {
        this.folder = folder;
        this.guest = GuestKernelFixture.prepare(folder);
        var runFolder = makeFolder(folder.resolve("run"));
        var disk = folder.resolve("disk, with comma.raw");
        try (var file = new RandomAccessFile(disk.toFile(), "rw")) {
            file.setLength(64 << 20);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Command.of("ip", "netns", "add", name).run();
        undo.undo(() -> Command.of("ip", "netns", "del", name).run());
        Command.of("ip", "-n", name, "tuntap", "add", "dev", "tap0", "mode", "tap").run();
        this.spec =
                new VmSpec(
                        name,
                        runFolder,
                        2,
                        MEMORY,
                        disk,
                        folder.resolve("scratch"),
                        name,
                        "tap0",
                        "02:fc:00:00:00:05",
                        folder.resolve("pages.sock"));
    }

    static Deadline soon() {
        return Deadline.after(Slowness.scaled(Duration.ofSeconds(60)));
    }

    BootSource source(String arguments) {
        return new BootSource(guest.kernel(), guest.initrd(), "quiet " + arguments);
    }

    /** The same machine with another disk. */
    VmSpec specWithDisk(Path disk) {
        return new VmSpec(
                spec.name(),
                spec.runFolder(),
                spec.vcpus(),
                spec.memory(),
                disk,
                spec.scratch(),
                spec.networkNamespace(),
                spec.tap(),
                spec.macAddress(),
                spec.pageSocket());
    }

    /** A page server for a VM that boots with that VMM. */
    PageServer announced(Vmm vmm) {
        return undo.hold(
                switch (vmm.memoryReader()) {
                    case PAGE_SERVER -> pager.announced(name, spec.pageSocket());
                    case VMM -> pager.idle(name);
                });
    }

    /** A page server for a VM that is restored. */
    PageServer serving(RecordedMemory memory) {
        return serving(memory, WorkingSet.EMPTY);
    }

    /** The same; installs that working set unasked. */
    PageServer serving(RecordedMemory memory, WorkingSet prefetch) {
        return undo.hold(
                pager.serve(
                        name,
                        spec.pageSocket(),
                        memory,
                        prefetch,
                        e -> {
                            throw new AssertionError(e);
                        }));
    }

    /** Memory that the lab frees at the end. */
    RecordedMemory memory() {
        var memory = new RecordedMemory(MEMORY.bytes());
        undo.undo(memory::close);
        return memory;
    }

    /** Something that is closed with the lab if it was not before. */
    <R extends Resource> R hold(R resource) {
        return undo.hold(resource);
    }

    /** Waits until the guest has counted that far. */
    static void awaitTick(Vm vm, int tick) {
        Eventually.within(
                Duration.ofSeconds(60), "tick " + tick, () -> lastTick(vm.console(soon())) >= tick);
    }

    static int firstTick(String console) {
        var matcher = TICK.matcher(console);
        return matcher.find() ? Integer.parseInt(matcher.group(1)) : -1;
    }

    static int lastTick(String console) {
        int last = -1;
        for (var matcher = TICK.matcher(console); matcher.find(); ) {
            last = Integer.parseInt(matcher.group(1));
        }
        return last;
    }

    private static Path makeFolder(Path path) {
        try {
            return Files.createDirectories(path);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        undo.close();
    }
}
