package dev.wrenn.vmm.qemu;

import java.util.List;

/**
 * How QEMU can run guests on this machine.
 *
 * @param reasons sentences for an operator, in the order in which things were looked at
 */
public record QemuProbe(Accelerator accelerator, List<String> reasons) {
    /** Copies the list. */
    public QemuProbe {
        reasons = List.copyOf(reasons);
    }
}
