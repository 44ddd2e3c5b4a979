package dev.wrenn.linux;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.function.LongConsumer;

/**
 * Finds pages of another process by what happened to them: {@code PAGEMAP_SCAN} on {@code
 * /proc/PID/pagemap} (Linux 6.7+, Documentation/admin-guide/mm/pagemap.rst,
 * include/uapi/linux/fs.h). Used by one thread.
 */
@SuppressWarnings(
        "MustBeClosedChecker") // the arena lives as long as this object; close() ends both
public final class Pagemap implements Resource {
    static final StructLayout STRUCT_PM_SCAN_ARG =
            MemoryLayout.structLayout(
                    JAVA_LONG.withName("size"),
                    JAVA_LONG.withName("flags"),
                    JAVA_LONG.withName("start"),
                    JAVA_LONG.withName("end"),
                    JAVA_LONG.withName("walk_end"),
                    JAVA_LONG.withName("vec"),
                    JAVA_LONG.withName("vec_len"),
                    JAVA_LONG.withName("max_pages"),
                    JAVA_LONG.withName("category_inverted"),
                    JAVA_LONG.withName("category_mask"),
                    JAVA_LONG.withName("category_anyof_mask"),
                    JAVA_LONG.withName("return_mask"));

    static final StructLayout STRUCT_PAGE_REGION =
            MemoryLayout.structLayout(
                    JAVA_LONG.withName("start"),
                    JAVA_LONG.withName("end"),
                    JAVA_LONG.withName("categories"));

    static final long PAGEMAP_SCAN = Ioctl.iowr('f', 16, STRUCT_PM_SCAN_ARG.byteSize());
    static final long PAGE_IS_WRITTEN = 1 << 1;
    static final long PAGE_IS_PRESENT = 1 << 3;
    static final long PAGE_IS_SWAPPED = 1 << 4;
    static final long PAGE_IS_PFNZERO = 1 << 5;
    static final long PM_SCAN_CHECK_WPASYNC = 1 << 1;

    private static final int PAGE_BYTES = 4_096;
    private static final long PRESENT_OR_SWAPPED = 0b11L << 62;
    private static final int ENTRIES_BYTES = 1 << 16;
    private static final int REGIONS = 4_096;
    private static final int EPERM = 1;

    private final Fd fd;
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment state = Libc.state(arena);
    private final MemorySegment argument = arena.allocate(STRUCT_PM_SCAN_ARG);
    private final MemorySegment regions = arena.allocate(STRUCT_PAGE_REGION, REGIONS);

    private Pagemap(Fd fd) {
        this.fd = fd;
    }

    /** Opens the page map of a process. */
    public static Pagemap of(long pid) {
        return new Pagemap(Fd.open(Path.of("/proc/" + pid + "/pagemap"), Fd.O_RDWR));
    }

    /** Receives ranges of neighbouring pages in ascending order, their ends exclusive. */
    public interface Ranges {
        /** Pages with bytes of their own. */
        void bytes(long startAddress, long endAddress);

        /** Pages that are mapped to the shared zero page. */
        void zeroes(long startAddress, long endAddress);
    }

    /**
     * Pages that were written since they were installed write-protected, and those mapped to the
     * zero page, which cannot be write-protected. What was never touched is left out; without the
     * any-of mask it would count as written.
     *
     * @return false, and nothing is handed over, if the range is not registered with asynchronous
     *     write protection
     */
    public boolean written(long startAddress, long endAddress, Ranges ranges) {
        return scan(startAddress, endAddress, PM_SCAN_CHECK_WPASYNC, PAGE_IS_WRITTEN, ranges);
    }

    /** All pages that are there, in memory or swapped out. */
    public void resident(long startAddress, long endAddress, Ranges ranges) {
        scan(startAddress, endAddress, 0, 0, ranges);
    }

    /**
     * Addresses of all pages of a process that are there, in memory or swapped out, in ascending
     * order; for kernels of any age, at 8 bytes read for each page (same document, bits 62 and 63).
     */
    public static void mapped(long pid, long startAddress, long endAddress, LongConsumer page) {
        var file = Path.of("/proc/" + pid + "/pagemap");
        try (var entries = FileChannel.open(file, StandardOpenOption.READ)) {
            var buffer = ByteBuffer.allocate(ENTRIES_BYTES).order(ByteOrder.nativeOrder());
            for (long at = startAddress; at < endAddress; ) {
                long left = (endAddress - at) / PAGE_BYTES * Long.BYTES;
                buffer.clear().limit((int) Math.min(ENTRIES_BYTES, left));
                if (entries.read(buffer, at / PAGE_BYTES * Long.BYTES) <= 0) {
                    return; // the process has ended
                }
                for (buffer.flip(); buffer.remaining() >= Long.BYTES; at += PAGE_BYTES) {
                    if ((buffer.getLong() & PRESENT_OR_SWAPPED) != 0) {
                        page.accept(at);
                    }
                }
            }
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot read " + file, e);
        }
    }

    private boolean scan(long start, long end, long flags, long mask, Ranges ranges) {
        long from = start;
        while (from < end) {
            set("size", STRUCT_PM_SCAN_ARG.byteSize());
            set("flags", flags);
            set("start", from);
            set("end", end);
            set("walk_end", 0);
            set("vec", regions.address());
            set("vec_len", REGIONS);
            set("max_pages", 0);
            set("category_inverted", 0);
            set("category_mask", mask);
            set("category_anyof_mask", PAGE_IS_PRESENT | PAGE_IS_SWAPPED);
            set("return_mask", PAGE_IS_PFNZERO);
            int found = ioctl();
            if (found < 0) {
                int errno = Libc.errno(state);
                if (errno == EPERM && from == start && flags == PM_SCAN_CHECK_WPASYNC) {
                    return false;
                }
                throw new LinuxException("PAGEMAP_SCAN", errno);
            }
            long next = argument.get(JAVA_LONG, offset("walk_end"));
            for (int i = 0; i < found; i++) {
                long at = i * STRUCT_PAGE_REGION.byteSize();
                long first = regions.get(JAVA_LONG, at);
                long last = regions.get(JAVA_LONG, at + 8);
                next = Math.max(next, last);
                if ((regions.get(JAVA_LONG, at + 16) & PAGE_IS_PFNZERO) == 0) {
                    ranges.bytes(first, last);
                } else {
                    ranges.zeroes(first, last);
                }
            }
            // Linux 6.18 sometimes names a walk_end that lies before the last range it returned;
            // going on from there would hand the ranges between the two over again.
            if (next <= from) {
                throw new WrennException(Kind.BUG, "PAGEMAP_SCAN does not get on");
            }
            from = next;
        }
        return true;
    }

    private int ioctl() {
        try {
            return (int) Libc.IOCTL_POINTER.invokeExact(state, fd.number(), PAGEMAP_SCAN, argument);
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }

    private void set(String field, long value) {
        argument.set(JAVA_LONG, offset(field), value);
    }

    private static long offset(String field) {
        return STRUCT_PM_SCAN_ARG.byteOffset(PathElement.groupElement(field));
    }

    @Override
    public void close() {
        fd.close();
        arena.close();
    }
}
