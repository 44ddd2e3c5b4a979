package dev.wrenn.snapshot;

import java.util.Base64;
import java.util.List;

/**
 * Says how a disk is stored in an archive: chunks of 64 KiB as frames of packs that may be shared
 * with other snapshots.
 *
 * @param bytes size of the disk
 * @param packs the packs
 * @param map a page map of chunks, its layers being the packs, base 64; what it leaves out is zero
 * @param sums {@link DiskSums} of the disk, base 64
 */
record PackedDisk(long bytes, List<PackedPart> packs, String map, String sums) {
    /** Copies the list. */
    PackedDisk {
        packs = List.copyOf(packs);
    }

    /**
     * One of the packs.
     *
     * @param team whose key opens it
     * @param pack its name
     * @param bytes of content
     * @param lengths stored bytes of each frame
     */
    record PackedPart(String team, String pack, long bytes, List<Integer> lengths) {
        /** Copies the list. */
        PackedPart {
            lengths = List.copyOf(lengths);
        }

        static PackedPart of(String team, Pack pack) {
            return new PackedPart(team, pack.name(), pack.bytes(), pack.lengths());
        }

        Pack toPack() {
            return new Pack(pack, bytes, lengths);
        }
    }

    static PackedDisk of(DiskSums sums, List<PackedPart> packs, PageMap map) {
        return new PackedDisk(
                sums.diskBytes(),
                packs,
                Base64.getEncoder().encodeToString(map.encode()),
                Base64.getEncoder().encodeToString(sums.encode()));
    }

    /**
     * Which frame of which pack holds each chunk.
     *
     * @throws SnapshotCorrupt if it is no map of this disk over these packs
     */
    PageMap chunks() {
        return PageMap.decode(
                SnapshotFiles.ARCHIVED,
                Base64.getDecoder().decode(map),
                DiskSums.chunks(bytes),
                packs.stream().mapToInt(p -> p.lengths().size()).toArray());
    }
}
