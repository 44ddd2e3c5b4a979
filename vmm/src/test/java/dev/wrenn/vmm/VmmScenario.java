package dev.wrenn.vmm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Command;
import dev.wrenn.linux.ProcessIdentity;
import dev.wrenn.pager.MemoryFile;
import dev.wrenn.pager.PageServer;
import dev.wrenn.testkit.HostInventory;
import dev.wrenn.testkit.HostInventory.Part;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** A driver under test with the machine around its VMs, and what tests do with them. */
abstract class VmmScenario {
    @TempDir Path folder;
    VmLab lab;
    Vmm vmm;

    /** The driver under test. */
    abstract Vmm open(DeviceLimits limits);

    /** Demands that the VMM finds nothing in its root folder that it could use against others. */
    abstract void assertRootHoldsNothing(Path root) throws IOException;

    @BeforeEach
    void build() {
        lab = new VmLab(folder);
        vmm = lab.hold(open(DeviceLimits.NONE));
    }

    @AfterEach
    void clear() {
        lab.close();
        var left = HostInventory.view().marked(lab.name).except(Part.NFT_TABLES).take();
        assertThat(left.things().values()).allMatch(things -> things.isEmpty());
        assertThat(folder.resolve("run")).isEmptyDirectory();
    }

    String diskBlock() {
        try (var disk = Files.newInputStream(lab.spec.disk())) {
            return new String(disk.readNBytes(16), StandardCharsets.US_ASCII);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A tick is printed before it is written, but may still be on its way to the console then. */
    static String aboutTick(int tick) {
        return "(?s)tick (%d|%d|%d)\\n.*".formatted(tick - 1, tick, tick + 1);
    }

    record Frozen(
            Path state,
            RecordedMemory memory,
            ProcessIdentity process,
            String console,
            int lastTick) {}

    Vm boot(String arguments) {
        lab.announced(vmm);
        return lab.hold(vmm.boot(lab.spec, lab.source(arguments), VmLab.soon()));
    }

    Frozen frozenAt(int tick, String arguments) {
        var server = lab.announced(vmm);
        var vm = lab.hold(vmm.boot(lab.spec, lab.source(arguments), VmLab.soon()));
        VmLab.awaitTick(vm, tick);
        return freeze(vm, server, lab.memory(), "first.state");
    }

    Frozen freeze(Vm vm, PageServer server, RecordedMemory memory, String name) {
        var state = folder.resolve(name);
        vm.freeze(VmLab.soon());
        vm.saveState(state, VmLab.soon())
                .ifPresentOrElse(
                        file -> MemoryFile.read(file, memory), () -> server.capture(memory));
        var console = vm.console(VmLab.soon());
        vm.close();
        server.close();
        return new Frozen(state, memory, vm.process(), console, VmLab.lastTick(console));
    }

    Vm restore(Frozen frozen) {
        lab.serving(frozen.memory);
        return lab.hold(vmm.restore(lab.spec, frozen.state, VmLab.soon()));
    }

    static void kill(String signal, long pid) {
        Command.of("kill", signal, Long.toString(pid)).run();
    }
}
