package dev.wrenn.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.nio.file.Path;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Where the bytes of a file lie on its file system (FIEMAP, Linux
 * Documentation/filesystems/fiemap.rst): tells holes, and what two files share after a reflink.
 *
 * <p>A picture of one instant: only of files that nobody writes does it say more than amounts.
 * Immutable.
 */
public final class FileExtents {
    static final StructLayout STRUCT_FIEMAP =
            MemoryLayout.structLayout(
                    JAVA_LONG.withName("fm_start"),
                    JAVA_LONG.withName("fm_length"),
                    JAVA_INT.withName("fm_flags"),
                    JAVA_INT.withName("fm_mapped_extents"),
                    JAVA_INT.withName("fm_extent_count"),
                    JAVA_INT.withName("fm_reserved"));

    static final StructLayout STRUCT_FIEMAP_EXTENT =
            MemoryLayout.structLayout(
                    JAVA_LONG.withName("fe_logical"),
                    JAVA_LONG.withName("fe_physical"),
                    JAVA_LONG.withName("fe_length"),
                    MemoryLayout.sequenceLayout(2, JAVA_LONG).withName("fe_reserved64"),
                    JAVA_INT.withName("fe_flags"),
                    MemoryLayout.sequenceLayout(3, JAVA_INT).withName("fe_reserved"));

    /** {@code _IOWR('f', 11, struct fiemap)}, Linux include/uapi/linux/fs.h. */
    static final long FS_IOC_FIEMAP = Ioctl.iowr('f', 11, STRUCT_FIEMAP.byteSize());

    static final int FIEMAP_FLAG_SYNC = 1;
    static final int FIEMAP_EXTENT_LAST = 1;
    static final int FIEMAP_EXTENT_UNWRITTEN = 0x800;

    /** Flags of extents whose physical place says nothing about their content. */
    static final int VAGUE = 0x2 | 0x4 | 0x8 | 0x80 | 0x100 | 0x200 | 0x400;

    private static final int BATCH = 512;

    private static final long MAPPED = offset(STRUCT_FIEMAP, "fm_mapped_extents");
    private static final long LOGICAL = offset(STRUCT_FIEMAP_EXTENT, "fe_logical");
    private static final long PHYSICAL = offset(STRUCT_FIEMAP_EXTENT, "fe_physical");
    private static final long LENGTH = offset(STRUCT_FIEMAP_EXTENT, "fe_length");
    private static final long FLAGS = offset(STRUCT_FIEMAP_EXTENT, "fe_flags");

    /** Of a file without any byte. */
    public static final FileExtents NONE = new FileExtents(new TreeMap<>());

    private final NavigableMap<Long, Extent> extents;

    /** Neighbouring bytes at one place. */
    private record Extent(long start, long end, long place, boolean isVague, boolean isUnwritten) {
        boolean isStored() {
            return !isUnwritten;
        }
    }

    private FileExtents(NavigableMap<Long, Extent> extents) {
        this.extents = extents;
    }

    /**
     * Asks for the extents of a file, after writing back what is only in memory.
     *
     * @return empty if the file system cannot tell
     * @throws LinuxException any other failure
     */
    public static Optional<FileExtents> of(Path file) {
        return read(file, FIEMAP_FLAG_SYNC);
    }

    /**
     * The same without writing anything back: bytes that are only in memory have a place if they
     * had one before.
     */
    public static Optional<FileExtents> asStored(Path file) {
        return read(file, 0);
    }

    private static Optional<FileExtents> read(Path file, int mode) {
        try (var fd = Fd.open(file, Fd.O_RDONLY);
                var arena = Arena.ofConfined()) {
            var state = Libc.state(arena);
            long header = STRUCT_FIEMAP.byteSize();
            long size = STRUCT_FIEMAP_EXTENT.byteSize();
            var argument = arena.allocate(header + BATCH * size, Long.BYTES);
            var found = new TreeMap<Long, Extent>();
            long start = 0;
            while (true) {
                argument.set(JAVA_LONG, 0, start);
                argument.set(JAVA_LONG, offset(STRUCT_FIEMAP, "fm_length"), -1L);
                argument.set(JAVA_INT, offset(STRUCT_FIEMAP, "fm_flags"), mode);
                argument.set(JAVA_INT, offset(STRUCT_FIEMAP, "fm_extent_count"), BATCH);
                int result = ioctl(state, fd, argument);
                if (result != 0) {
                    return switch (Libc.errno(state)) {
                        case Errno.EOPNOTSUPP, Errno.ENOTTY, Errno.EINVAL -> Optional.empty();
                        default -> throw new LinuxException("FIEMAP", Libc.errno(state));
                    };
                }
                int count = argument.get(JAVA_INT, MAPPED);
                boolean isLast = count == 0;
                for (int i = 0; i < count; i++) {
                    long at = header + i * size;
                    int flags = argument.get(JAVA_INT, at + FLAGS);
                    var extent = extent(argument, at, flags);
                    found.put(extent.start(), extent);
                    start = extent.end();
                    isLast = (flags & FIEMAP_EXTENT_LAST) != 0;
                }
                if (isLast) {
                    return Optional.of(new FileExtents(found));
                }
            }
        }
    }

    private static Extent extent(MemorySegment argument, long at, int flags) {
        long logical = argument.get(JAVA_LONG, at + LOGICAL);
        return new Extent(
                logical,
                logical + argument.get(JAVA_LONG, at + LENGTH),
                argument.get(JAVA_LONG, at + PHYSICAL),
                (flags & VAGUE) != 0,
                (flags & FIEMAP_EXTENT_UNWRITTEN) != 0);
    }

    private static int ioctl(MemorySegment state, Fd fd, MemorySegment argument) {
        try {
            return (int)
                    Libc.IOCTL_POINTER.invokeExact(state, fd.number(), FS_IOC_FIEMAP, argument);
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }

    /** Whether these bytes of the file read as zero because nothing is stored for them. */
    public boolean isHole(long from, long to) {
        long at = from;
        while (at < to) {
            if (at(at).filter(Extent::isStored).isPresent()) {
                return false;
            }
            at = behindHole(at, to);
        }
        return true;
    }

    /**
     * Whether these bytes lie at the same places in both files, which then read the same there. No
     * is no statement about their content.
     */
    public boolean isSharedWith(FileExtents other, long from, long to) {
        long at = from;
        while (at < to) {
            var mine = at(at).filter(Extent::isStored);
            var theirs = other.at(at).filter(Extent::isStored);
            if (mine.isPresent() != theirs.isPresent()) {
                return false;
            }
            if (mine.isEmpty()) {
                at = Math.min(behindHole(at, to), other.behindHole(at, to));
                continue;
            }
            var a = mine.get();
            var b = theirs.orElseThrow();
            if (!isSamePlace(a, b)) {
                return false;
            }
            at = Math.min(a.end(), b.end());
        }
        return true;
    }

    /** How many bytes have a place that the other file does not have them at. */
    public long bytesBeside(FileExtents other) {
        long beside = 0;
        for (var extent : extents.values()) {
            for (long at = extent.start(); at < extent.end(); ) {
                var theirs = other.at(at);
                long from = at;
                at =
                        Math.min(
                                extent.end(),
                                theirs.map(Extent::end)
                                        .orElseGet(() -> other.nextStart(from, extent.end())));
                if (theirs.filter(t -> isSamePlace(extent, t)).isEmpty()) {
                    beside += at - from;
                }
            }
        }
        return beside;
    }

    private static boolean isSamePlace(Extent a, Extent b) {
        return !a.isVague() && !b.isVague() && a.place() - a.start() == b.place() - b.start();
    }

    private long behindHole(long at, long limit) {
        return at(at).map(Extent::end).orElseGet(() -> nextStart(at, limit));
    }

    private long nextStart(long at, long limit) {
        var next = extents.higherKey(at);
        return next == null ? limit : Math.min(next, limit);
    }

    private Optional<Extent> at(long position) {
        var entry = extents.floorEntry(position);
        return entry != null && position < entry.getValue().end()
                ? Optional.of(entry.getValue())
                : Optional.empty();
    }

    private static long offset(StructLayout layout, String field) {
        return layout.byteOffset(PathElement.groupElement(field));
    }
}
