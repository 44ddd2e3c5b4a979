package dev.wrenn.pager;

/**
 * A piece of guest memory in a VMM's address space, as Firecracker's handshake describes it
 * (firecracker src/vmm/src/persist.rs, GuestRegionUffdMapping).
 *
 * @param hostAddress virtual address in the VMM, page aligned
 * @param sizeBytes length, whole pages
 * @param offsetBytes where it starts in the memory image
 */
public record MemoryRegion(long hostAddress, long sizeBytes, long offsetBytes) {
    boolean contains(long address) {
        return Long.compareUnsigned(address, hostAddress) >= 0
                && Long.compareUnsigned(address, hostAddress + sizeBytes) < 0;
    }

    long offsetOf(long address) {
        return address - hostAddress + offsetBytes;
    }

    long addressOf(long offset) {
        return offset - offsetBytes + hostAddress;
    }

    long endOffset() {
        return offsetBytes + sizeBytes;
    }
}
