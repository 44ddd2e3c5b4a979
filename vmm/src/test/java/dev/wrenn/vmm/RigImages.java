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
    /** Each after those that it needs. */
    private static final List<String> MODULES =
            List.of(
                    // the machine's disks
                    "drivers/virtio/virtio_ring",
                    "drivers/virtio/virtio",
                    "drivers/virtio/virtio_pci_modern_dev",
                    "drivers/virtio/virtio_pci_legacy_dev",
                    "drivers/virtio/virtio_pci",
                    "drivers/block/virtio_blk",
                    "lib/libcrc32c",
                    "fs/xfs/xfs",
                    // virtual machines
                    "virt/lib/irqbypass",
                    "arch/x86/kvm/kvm",
                    "arch/x86/kvm/kvm-amd",
                    // network slots and their rules
                    "drivers/net/tun",
                    "drivers/net/veth",
                    "net/netfilter/nfnetlink",
                    "net/ipv4/netfilter/nf_defrag_ipv4",
                    "net/ipv6/netfilter/nf_defrag_ipv6",
                    "net/netfilter/nf_conntrack",
                    "net/netfilter/nf_nat",
                    "net/netfilter/nf_tables",
                    "net/netfilter/nft_ct",
                    "net/netfilter/nft_nat",
                    "net/netfilter/nft_chain_nat",
                    "net/netfilter/nft_masq",
                    "net/ipv4/netfilter/nf_reject_ipv4",
                    "net/ipv6/netfilter/nf_reject_ipv6",
                    "net/netfilter/nft_reject",
                    "net/ipv4/netfilter/nft_reject_ipv4",
                    "net/netfilter/nft_reject_inet",
                    "net/netfilter/nf_conncount",
                    "net/netfilter/nft_connlimit");

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
