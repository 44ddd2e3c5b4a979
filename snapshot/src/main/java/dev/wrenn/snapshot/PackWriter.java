package dev.wrenn.snapshot;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.function.IntFunction;

/** Makes packs and puts them into an archive, unless it has them already. */
final class PackWriter {
    private final Archive archive;
    private final TeamKey key;
    private final Path temporary;

    /**
     * @param temporary a file of its own, made and removed
     */
    PackWriter(Archive archive, TeamKey key, Path temporary) {
        this.archive = archive;
        this.key = key;
        this.temporary = temporary;
    }

    /**
     * Stores content; returns when the archive has all of it.
     *
     * @param frames content of each frame; asked for twice, the second time for what is stored
     */
    Pack store(long bytes, IntFunction<byte[]> frames) {
        int count = Pack.frames(bytes);
        var digest = Pack.digest();
        for (int i = 0; i < count; i++) {
            digest.update(frames.apply(i));
        }
        var name = Pack.nameOf(key, digest);
        var blobKey = key.keyFor(name);
        var lengths = new ArrayList<Integer>();
        try {
            try (var output = new BufferedOutputStream(Files.newOutputStream(temporary), 1 << 20)) {
                for (int i = 0; i < count; i++) {
                    var stored = Pack.seal(blobKey, i, frames.apply(i));
                    lengths.add(stored.length);
                    output.write(stored);
                }
            }
            var pack = new Pack(name, bytes, lengths);
            if (!archive.has(pack, key.team())) {
                archive.blobs().put(pack.blob(key.team()), temporary);
            }
            return pack;
        } catch (IOException e) {
            throw new StoreFailed("write a pack", e);
        } finally {
            SnapshotFiles.deleteTree(temporary);
        }
    }
}
