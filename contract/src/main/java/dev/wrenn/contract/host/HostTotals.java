package dev.wrenn.contract.host;

import java.time.Duration;

/**
 * Numbers of a machine for its operator. What counts up does so since the host agent was started.
 *
 * @param slotsInUse network slots that capsules hold
 * @param slots most of them that there can be
 * @param disk room for snapshots and disks
 * @param memory the machine's memory
 * @param snapshots what the memory of snapshots costs
 * @param vms what its virtual machines do
 * @param pages what is done to give them their memory
 */
public record HostTotals(
        int slotsInUse,
        int slots,
        Disk disk,
        Memory memory,
        Snapshots snapshots,
        Vms vms,
        Pages pages) {
    /**
     * The volume with snapshots and disks.
     *
     * @param totalBytes its size
     * @param freeBytes what is free of it
     * @param reserveBytes what must be free beside the unsaved for a capsule to be started
     * @param unsavedBytes what saving all that runs would write now, as far as that is known
     */
    public record Disk(long totalBytes, long freeBytes, long reserveBytes, long unsavedBytes) {}

    /**
     * The machine's memory.
     *
     * @param availableBytes free, or can be freed at once
     * @param reserveBytes kept for everything but guests
     * @param promisedBytes what the guests that run may use at most, with their VMMs
     * @param promisableBytes most that is promised
     */
    public record Memory(
            long availableBytes, long reserveBytes, long promisedBytes, long promisableBytes) {}

    /**
     * The memory of all snapshots, as of half a minute ago at most.
     *
     * @param count snapshots
     * @param layers files that their pages lie in
     * @param layerBytes size of these
     * @param liveBytes pages in them that some snapshot reads
     * @param deepest most layers that one snapshot reads
     */
    public record Snapshots(int count, int layers, long layerBytes, long liveBytes, int deepest) {
        /** Bytes stored for each byte that is read; 1 if there is nothing. */
        public double amplification() {
            return liveBytes == 0 ? 1 : layerBytes / (double) liveBytes;
        }
    }

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
