package dev.wrenn.host.journal;

import java.util.List;

/**
 * What one run of a capsule holds on this machine; worthless after a reboot, so it is kept in the
 * run folder and not synced. Written before each resource is taken, so that a restarted host agent
 * finds it again or frees it.
 *
 * @param version of this file's layout
 * @param capsule whose run it is
 * @param bootId the kernel boot it belongs to
 * @param slot index of the network slot, -1 before one is leased
 * @param snapshot what memory is served from; empty for a cold boot
 * @param pid VMM process, 0 before it is started
 * @param startTicks its start time, which tells it from a later process of the same pid
 * @param regions its guest memory, empty before it is known
 * @param worthAdopting whether user code may run in it: only then it is worth adopting
 */
public record RunRecord(
        int version,
        String capsule,
        String bootId,
        int slot,
        String snapshot,
        long pid,
        long startTicks,
        List<Region> regions,
        boolean worthAdopting) {
    /** Layout written by this code. */
    public static final int VERSION = 1;

    /**
     * Guest memory in the VMM's address space.
     *
     * @param hostAddress virtual address in the VMM
     * @param sizeBytes length
     * @param offsetBytes where it starts in the memory image
     */
    public record Region(long hostAddress, long sizeBytes, long offsetBytes) {}

    /** Copies the list. */
    public RunRecord {
        regions = List.copyOf(regions);
    }

    /** A run that holds nothing yet. */
    public static RunRecord begin(String capsule, String bootId, String snapshot) {
        return new RunRecord(VERSION, capsule, bootId, -1, snapshot, 0, 0, List.of(), false);
    }

    /** With its slot. */
    public RunRecord withSlot(int index) {
        return new RunRecord(
                version, capsule, bootId, index, snapshot, pid, startTicks, regions, worthAdopting);
    }

    /** With its VMM. */
    public RunRecord withProcess(long newPid, long ticks) {
        return new RunRecord(
                version, capsule, bootId, slot, snapshot, newPid, ticks, regions, worthAdopting);
    }

    /** With its memory, and from now on worth adopting. */
    public RunRecord serving(List<Region> newRegions) {
        return new RunRecord(
                version, capsule, bootId, slot, snapshot, pid, startTicks, newRegions, true);
    }
}
