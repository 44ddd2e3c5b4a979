package dev.wrenn.contract.host;

import java.util.List;

/**
 * A machine that runs capsules.
 *
 * @param vmm driver, accelerator and version, such as {@code qemu/tcg 7.2.22}
 * @param vmmReason why that one was chosen
 * @param cpus processors
 * @param memoryMb memory in MiB
 * @param freeDiskMb free room for snapshots and disks in MiB
 * @param warnings what an operator should look after before it hurts, in words
 */
public record HostDescription(
        String vmm,
        String vmmReason,
        int cpus,
        long memoryMb,
        long freeDiskMb,
        List<String> warnings) {
    /** Copies the list. */
    public HostDescription {
        warnings = List.copyOf(warnings);
    }

    /** A machine of which there is nothing to be said. */
    public HostDescription(String vmm, String vmmReason, int cpus, long memoryMb, long freeDiskMb) {
        this(vmm, vmmReason, cpus, memoryMb, freeDiskMb, List.of());
    }
}
