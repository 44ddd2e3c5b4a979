package dev.wrenn.snapshot;

import java.util.Base64;
import java.util.List;

/**
 * Says how a memory layer is stored in an archive; kept beside the layer as {@code LAYER.pack}.
 *
 * @param layer its name
 * @param team whose key opens the pack
 * @param pack name of the pack
 * @param bytes of content
 * @param lengths stored bytes of each frame
 * @param sums the layer's checksum table, base 64
 */
record PackedLayer(
        String layer, String team, String pack, long bytes, List<Integer> lengths, String sums) {
    /** Copies the list. */
    PackedLayer {
        lengths = List.copyOf(lengths);
    }

    static PackedLayer of(String layer, String team, Pack pack, byte[] sums) {
        return new PackedLayer(
                layer,
                team,
                pack.name(),
                pack.bytes(),
                pack.lengths(),
                Base64.getEncoder().encodeToString(sums));
    }

    Pack toPack() {
        return new Pack(pack, bytes, lengths);
    }

    byte[] table() {
        return Base64.getDecoder().decode(sums);
    }
}
