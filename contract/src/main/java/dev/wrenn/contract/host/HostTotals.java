package dev.wrenn.contract.host;

import java.time.Duration;

/**
 * Numbers of a machine for its operator. What counts up does so since the host agent was started.
 *
 * @param slotsInUse network slots that capsules hold
 * @param slots most of them that there can be
 * @param freeDiskBytes free room for snapshots and disks
 * @param vms what its virtual machines do
 * @param pages what is done to give them their memory
 */
public record HostTotals(int slotsInUse, int slots, long freeDiskBytes, Vms vms, Pages pages) {
    /**
     * The virtual machines.
     *
     * @param memoryBytes what the VMMs that run hold of the machine's memory
     * @param cpuTime processor time of all VMMs so far, to about half a second each
     * @param starts creates and resumes that succeeded
     * @param saves snapshots that were written of running capsules
     * @param savedBytes memory that these wrote
     * @param losses VMs that ended although nobody asked for it
     */
    public record Vms(
            long memoryBytes,
            Duration cpuTime,
            long starts,
            long saves,
            long savedBytes,
            long losses) {}

    /**
     * Pages of guest memory, 4 KiB each.
     *
     * @param faults times that a guest had to wait for a page
     * @param prefetched pages that were there before anybody asked
     */
    public record Pages(long faults, long prefetched) {}
}
