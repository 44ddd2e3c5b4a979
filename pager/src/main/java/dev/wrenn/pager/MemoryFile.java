package dev.wrenn.pager;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.SparseFile;
import dev.wrenn.snapshot.PageSource;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Guest memory that a VMM wrote into a sparse file, page for page: what {@link PageServer#capture}
 * is for VMMs whose memory the page server reads.
 *
 * <p>A page that the guest zeroed is in the file as zeroes, not as a hole; so a hole always is a
 * page that nobody touched.
 */
public final class MemoryFile {
    private static final int CHUNK_BYTES = 16 << 20;

    private MemoryFile() {}

    /**
     * Hands every page that is in the file to the sink, on the calling thread.
     *
     * @throws WrennException corrupt, if the file does not consist of whole pages
     */
    public static void read(Path file, PageSink sink) {
        try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
            if (channel.size() % PageSource.PAGE_BYTES != 0) {
                throw new WrennException(Kind.CORRUPT, "the VMM wrote memory of broken pages");
            }
            for (var extent : SparseFile.extents(file)) {
                long start = extent.start() - extent.start() % PageSource.PAGE_BYTES;
                for (long at = start; at < extent.end(); at += CHUNK_BYTES) {
                    long end = Math.min(at + CHUNK_BYTES, roundedUp(extent.end()));
                    try (var arena = Arena.ofConfined()) {
                        var bytes = channel.map(MapMode.READ_ONLY, at, end - at, arena);
                        sink.pages(at / PageSource.PAGE_BYTES, bytes);
                    }
                }
            }
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot read the memory of a VM", e);
        }
    }

    private static long roundedUp(long end) {
        return (end + PageSource.PAGE_BYTES - 1) / PageSource.PAGE_BYTES * PageSource.PAGE_BYTES;
    }
}
