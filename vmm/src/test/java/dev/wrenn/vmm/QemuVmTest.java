package dev.wrenn.vmm;

import dev.wrenn.vmm.qemu.Qemu;
import dev.wrenn.vmm.qemu.QemuConfig;
import org.junit.jupiter.api.Tag;

@Tag("root")
@Tag("vm")
final class QemuVmTest extends VmmContract {
    @Override
    Vmm open() {
        var programs = GuestPrograms.folder();
        var binary = java.nio.file.Path.of("/usr/bin/qemu-system-x86_64");
        return Qemu.open(
                new QemuConfig(
                        Qemu.probe(binary).kind(),
                        binary,
                        programs.resolve("libwrenn_uffd_shim.so"),
                        programs.resolve("wrenn-tsc")));
    }
}
