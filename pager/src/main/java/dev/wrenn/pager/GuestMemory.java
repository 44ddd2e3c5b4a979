package dev.wrenn.pager;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.snapshot.PageSource;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * The regions of one VM, checked: what a VMM says is not trusted. They are page aligned, do not
 * overlap in the VMM nor in the memory image, and lie within the image.
 */
final class GuestMemory {
    private static final int MAX_REGIONS = 64;
    private static final long MAX_IMAGE_BYTES = 1L << 42;
    private static final long ADDRESS_LIMIT = 1L << 56; // user half of five-level page tables
    private static final int PAGE = PageSource.PAGE_BYTES;

    private final List<MemoryRegion> regions;

    private GuestMemory(List<MemoryRegion> regions) {
        this.regions = List.copyOf(regions);
    }

    /**
     * Checks them.
     *
     * @param imageBytes size of the memory image that they must lie in
     * @throws WrennException unavailable, if they cannot be
     */
    static GuestMemory of(List<MemoryRegion> regions, long imageBytes) {
        if (regions.isEmpty() || regions.size() > MAX_REGIONS) {
            throw impossible("it names %d regions".formatted(regions.size()));
        }
        for (var region : regions) {
            boolean aligned =
                    (region.hostAddress() | region.sizeBytes() | region.offsetBytes()) % PAGE == 0;
            if (!aligned) {
                throw impossible("a region is not page aligned");
            }
            if (!isWithin(region.hostAddress(), region.sizeBytes(), ADDRESS_LIMIT)) {
                throw impossible("a region is outside of the address space");
            }
            if (!isWithin(region.offsetBytes(), region.sizeBytes(), imageBytes)) {
                throw impossible("a region is outside of the memory image");
            }
        }
        var byOffset = new ArrayList<>(regions);
        byOffset.sort(Comparator.comparingLong(MemoryRegion::offsetBytes));
        var byAddress = new ArrayList<>(regions);
        byAddress.sort(Comparator.comparingLong(MemoryRegion::hostAddress));
        for (int i = 1; i < regions.size(); i++) {
            var lower = byAddress.get(i - 1);
            if (byOffset.get(i - 1).endOffset() > byOffset.get(i).offsetBytes()
                    || lower.hostAddress() + lower.sizeBytes() > byAddress.get(i).hostAddress()) {
                throw impossible("its regions overlap");
            }
        }
        return new GuestMemory(byOffset);
    }

    /** Regions of a VM whose image is not made yet. */
    static GuestMemory of(List<MemoryRegion> regions) {
        return of(regions, MAX_IMAGE_BYTES);
    }

    private static boolean isWithin(long start, long length, long limit) {
        return start >= 0 && length > 0 && start < limit && length <= limit - start;
    }

    private static WrennException impossible(String why) {
        return new WrennException(Kind.UNAVAILABLE, "the VMM's memory regions cannot be: " + why);
    }

    /** In ascending order of their place in the memory image. */
    List<MemoryRegion> regions() {
        return regions;
    }

    /**
     * The region an address of the VMM lies in.
     *
     * @throws WrennException invalid, if in none: then the VMM registered what it did not announce
     */
    MemoryRegion at(long hostAddress) {
        for (int i = 0; i < regions.size(); i++) { // no iterator: on the fault path
            var region = regions.get(i);
            if (region.contains(hostAddress)) {
                return region;
            }
        }
        throw new WrennException(
                Kind.INVALID, "the VMM asks for memory outside of its announced regions");
    }
}
