package dev.wrenn.vmm.qemu;

import dev.wrenn.vmm.VmmKind;

/** How QEMU runs the instructions of a guest. */
public enum Accelerator {
    /** Hardware virtualization. */
    KVM(VmmKind.QEMU_KVM),
    /** Its own translator. */
    TCG(VmmKind.QEMU_TCG);

    private final VmmKind kind;

    Accelerator(VmmKind kind) {
        this.kind = kind;
    }

    /** What QEMU with it is to others. */
    public VmmKind kind() {
        return kind;
    }
}
