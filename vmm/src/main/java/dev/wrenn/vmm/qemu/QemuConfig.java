package dev.wrenn.vmm.qemu;

import dev.wrenn.vmm.DeviceLimits;
import java.nio.file.Path;

/**
 * Which QEMU is used, and with what beside it.
 *
 * @param accelerator what {@link Qemu#probe} found to work here
 * @param binary qemu-system-x86_64, 7.2 or newer
 * @param shim library that turns guest memory into userfaultfd memory (guest/shim)
 * @param tscProbe program that prints the frequency of this machine's time stamp counter in kHz
 *     (guest/tsc); used for {@link Accelerator#TCG} only
 * @param limits of the disk; QEMU has none for a tap
 */
public record QemuConfig(
        Accelerator accelerator, Path binary, Path shim, Path tscProbe, DeviceLimits limits) {
    /** Demands absolute paths, because the VMM is started in another folder and environment. */
    public QemuConfig {
        if (!binary.isAbsolute() || !shim.isAbsolute() || !tscProbe.isAbsolute()) {
            throw new IllegalArgumentException("QEMU, shim and probe need absolute paths");
        }
    }
}
