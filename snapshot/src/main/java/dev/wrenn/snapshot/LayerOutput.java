package dev.wrenn.snapshot;

import dev.wrenn.base.Resource;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;

/**
 * A layer file being written. A page with the same content as an earlier one of the layer is not
 * stored again: candidates are found by checksum and compared byte by byte. Used by one thread.
 */
@SuppressWarnings("MustBeClosedChecker") // the arena lives as long as this object
final class LayerOutput implements Resource {
    private static final int PAGE = PageSource.PAGE_BYTES;
    private static final int BUFFER_BYTES = 16 * LayerFile.FRAME_BYTES;

    private final FileChannel channel;
    private final String name;
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment buffer = arena.allocate(BUFFER_BYTES, PAGE);
    private final MemorySegment earlier = arena.allocate(PAGE);
    private final SeenPages seen = new SeenPages();
    private int[] frameCrcs = new int[256];
    private int frames;
    private int pages;
    private int buffered;
    private boolean closed;

    LayerOutput(Path file) {
        this.name = SnapshotFiles.name(file);
        try {
            this.channel =
                    FileChannel.open(
                            file,
                            StandardOpenOption.CREATE_NEW,
                            StandardOpenOption.READ,
                            StandardOpenOption.WRITE);
            write(ByteBuffer.wrap(LayerFile.header()));
        } catch (IOException e) {
            arena.close();
            throw new StoreFailed("write layer " + name, e);
        }
    }

    /** What is complete. */
    record Finished(int pages, int tableCrc) {}

    /**
     * Stores a page.
     *
     * @return the page of the layer that holds this content
     */
    int append(MemorySegment page) {
        int sum = LayerFile.crc(page.asByteBuffer());
        int candidate = seen.find(sum);
        if (candidate >= 0 && isEqual(candidate, page)) {
            return candidate;
        }
        MemorySegment.copy(page, 0, buffer, buffered, PAGE);
        buffered += PAGE;
        if (candidate < 0) {
            seen.add(sum, pages);
        }
        int index = pages++;
        if (buffered == BUFFER_BYTES) {
            flush();
        }
        return index;
    }

    private boolean isEqual(int layerPage, MemorySegment page) {
        int firstBuffered = pages - buffered / PAGE;
        if (layerPage >= firstBuffered) {
            long at = (long) (layerPage - firstBuffered) * PAGE;
            return buffer.asSlice(at, PAGE).mismatch(page) == -1;
        }
        try {
            var bytes = earlier.asByteBuffer();
            long at = LayerFile.HEADER_BYTES + (long) layerPage * PAGE;
            while (bytes.hasRemaining()) {
                if (channel.read(bytes, at + bytes.position()) < 0) {
                    return false;
                }
            }
            return earlier.mismatch(page) == -1;
        } catch (IOException e) {
            throw new StoreFailed("read back layer " + name, e);
        }
    }

    int pages() {
        return pages;
    }

    private void flush() {
        for (int at = 0; at < buffered; at += LayerFile.FRAME_BYTES) {
            int length = Math.min(LayerFile.FRAME_BYTES, buffered - at);
            if (frames == frameCrcs.length) {
                frameCrcs = Arrays.copyOf(frameCrcs, 2 * frames);
            }
            frameCrcs[frames++] = LayerFile.crc(buffer.asSlice(at, length).asByteBuffer());
        }
        try {
            write(buffer.asSlice(0, buffered).asByteBuffer());
        } catch (IOException e) {
            throw new StoreFailed("write layer " + name, e);
        }
        buffered = 0;
    }

    private void write(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    /** Completes the file; whoever makes it count syncs it first. */
    Finished finish() {
        flush();
        var table = ByteBuffer.allocate(4 * frames).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < frames; i++) {
            table.putInt(frameCrcs[i]);
        }
        table.flip();
        int crc = LayerFile.crc(table.duplicate());
        try {
            write(table);
        } catch (IOException e) {
            throw new StoreFailed("finish layer " + name, e);
        }
        return new Finished(pages, crc);
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            arena.close();
            try {
                channel.close();
            } catch (IOException e) {
                throw new StoreFailed("close layer " + name, e);
            }
        }
    }

    /** The first page with each checksum: a hash table of ints, because a layer has many pages. */
    private static final class SeenPages {
        private static final int FREE = -1;

        private int[] sums = new int[1024];
        private int[] pages = filled(1024);
        private int size;

        private static int[] filled(int length) {
            var array = new int[length];
            Arrays.fill(array, FREE);
            return array;
        }

        int find(int sum) {
            return pages[slot(sums, pages, sum)];
        }

        void add(int sum, int page) {
            if (2 * size >= sums.length) {
                grow();
            }
            int slot = slot(sums, pages, sum);
            sums[slot] = sum;
            pages[slot] = page;
            size++;
        }

        private void grow() {
            var newSums = new int[2 * sums.length];
            var newPages = filled(2 * sums.length);
            for (int i = 0; i < sums.length; i++) {
                if (pages[i] != FREE) {
                    int slot = slot(newSums, newPages, sums[i]);
                    newSums[slot] = sums[i];
                    newPages[slot] = pages[i];
                }
            }
            sums = newSums;
            pages = newPages;
        }

        /** Where that checksum is, or would go. */
        private static int slot(int[] sums, int[] pages, int sum) {
            int mask = sums.length - 1;
            int slot = ((sum * 0x9e37_79b9) >>> 7) & mask;
            while (pages[slot] != FREE && sums[slot] != sum) {
                slot = (slot + 1) & mask;
            }
            return slot;
        }
    }
}
