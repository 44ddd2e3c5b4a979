package dev.wrenn.vmm;

/** Which program runs a VM and how; a snapshot can be resumed only by the kind that made it. */
public enum VmmKind {
    /** Firecracker; always on hardware virtualization. */
    FIRECRACKER,
    /** QEMU on hardware virtualization. */
    QEMU_KVM,
    /** QEMU's own translator: any machine, several times slower. */
    QEMU_TCG
}
