package dev.wrenn.vmm;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Writes what the rig boots: kernel and initrd of the machine that has KVM, and those of the guests
 * that the tests start in it. See scripts/rig.sh.
 */
final class RigImages {
    private static final List<String> MODULES =
            List.of(
                    "drivers/virtio/virtio_ring",
                    "drivers/virtio/virtio",
                    "drivers/virtio/virtio_pci_modern_dev",
                    "drivers/virtio/virtio_pci_legacy_dev",
                    "drivers/virtio/virtio_pci",
                    "drivers/block/virtio_blk",
                    "drivers/net/tun",
                    "virt/lib/irqbypass",
                    "arch/x86/kvm/kvm",
                    "arch/x86/kvm/kvm-amd");

    private RigImages() {}

    /** The folder to write to; its subfolders rig and guest are made. */
    public static void main(String[] arguments) throws IOException {
        var folder = Path.of(arguments[0]);
        var rig = Files.createDirectories(folder.resolve("rig"));
        var guest = Files.createDirectories(folder.resolve("guest"));
        var rigKernel = GuestKernelFixture.prepare(rig, "rig-init.c", MODULES).kernel();
        Files.copy(rigKernel, rig.resolve("vmlinuz"));
        var guestKernel = GuestKernelFixture.prepare(guest).kernel();
        Files.copy(guestKernel, guest.resolve("vmlinuz"));
    }
}
