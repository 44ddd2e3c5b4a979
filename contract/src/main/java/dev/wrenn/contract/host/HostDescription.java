package dev.wrenn.contract.host;

/**
 * A machine that runs capsules.
 *
 * @param vmm driver, accelerator and version, such as {@code qemu/tcg 7.2.22}
 * @param vmmReason why that one was chosen
 * @param cpus processors
 * @param memoryMb memory in MiB
 * @param freeDiskMb free room for snapshots and disks in MiB
 */
public record HostDescription(
        String vmm, String vmmReason, int cpus, long memoryMb, long freeDiskMb) {}
