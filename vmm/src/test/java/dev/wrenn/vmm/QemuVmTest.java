package dev.wrenn.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Command;
import dev.wrenn.testkit.Eventually;
import dev.wrenn.vmm.qemu.Qemu;
import dev.wrenn.vmm.qemu.QemuConfig;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("root")
@Tag("vm")
final class QemuVmTest extends VmmContract {
    @Override
    Vmm open(DeviceLimits limits) {
        var programs = GuestPrograms.folder();
        var binary = Path.of("/usr/bin/qemu-system-x86_64");
        return Qemu.open(
                new QemuConfig(
                        Qemu.probe(binary).accelerator(),
                        binary,
                        programs.resolve("libwrenn_uffd_shim.so"),
                        programs.resolve("wrenn-tsc"),
                        limits));
    }

    @Override
    void assertRootHoldsNothing(Path root) throws IOException {
        var folder = Files.readSymbolicLink(root);
        assertThat(folder.startsWith(lab.spec.runFolder())).isTrue();
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void a_guest_that_powers_off_is_reported_with_its_last_words() {
        var ends = new ConcurrentLinkedQueue<VmEnd>();
        var vm = boot("test.end=poweroff");
        vm.onEnd(ends::add);

        Eventually.within(Duration.ofSeconds(60), () -> !ends.isEmpty());

        assertThat(ends.peek().cause()).isEqualTo(VmEnd.Cause.GUEST);
        assertThat(ends.peek().lastOutput()).contains("tick 3");
    }

    @Test
    void a_guest_whose_writes_the_host_cannot_store_waits_and_goes_on_later() throws IOException {
        var full = Files.createDirectory(folder.resolve("full"));
        Command.of("mount", "-t", "tmpfs", "-o", "size=64k", lab.name, full.toString()).run();
        try {
            var image = full.resolve("disk");
            try (var file = new RandomAccessFile(image.toFile(), "rw")) {
                file.setLength(64 << 20);
            }
            lab.announced(vmm);
            var spec = lab.specWithDisk(image);
            var vm = lab.hold(vmm.boot(spec, lab.source("test.spread"), VmLab.soon()));
            Eventually.within(
                    Duration.ofSeconds(60),
                    () ->
                            VmLab.lastTick(vm.console(VmLab.soon())) > 3
                                    && !vm.isRunning(VmLab.soon()));
            int stalled = VmLab.lastTick(vm.console(VmLab.soon()));

            Command.of("mount", "-o", "remount,size=1m", full.toString()).run();

            VmLab.awaitTick(vm, stalled + 20);
            assertThat(vm.console(VmLab.soon())).doesNotContain("disk lost");
            vm.freeze(VmLab.soon());
            assertThat(vm.isRunning(VmLab.soon())).isFalse();
            vm.close();
        } finally {
            Command.of("umount", full.toString()).run();
        }
    }

    @Test
    void a_boot_without_a_page_server_fails_and_says_why() {
        assertThatThrownBy(() -> vmm.boot(lab.spec, lab.source(""), VmLab.soon()))
                .isInstanceOf(VmDied.class)
                .cause()
                .hasMessageContaining("connect to the page server");
    }
}
