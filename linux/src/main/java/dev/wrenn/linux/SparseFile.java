package dev.wrenn.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/** Tells the parts of a file that were written from its holes (lseek(2), SEEK_DATA). */
public final class SparseFile {
    static final int SEEK_DATA = 3;
    static final int SEEK_HOLE = 4;
    private static final int PAGE_BYTES = 4096;

    private static final MethodHandle LSEEK =
            Libc.bind("lseek", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT));

    private SparseFile() {}

    /** A part that was written. */
    public record Extent(long start, long end) {}

    /**
     * The parts that were written, in ascending order. A file system may report more than was
     * written, never less; see {@link #holesArePageExact}.
     *
     * @throws LinuxException if the file system cannot tell
     */
    public static List<Extent> extents(Path file) {
        try (var descriptor = Fd.open(file, Fd.O_RDONLY);
                var arena = Arena.ofConfined()) {
            var state = Libc.state(arena);
            var extents = new ArrayList<Extent>();
            long at = 0;
            while (true) {
                long start = seek(state, descriptor, at, SEEK_DATA);
                if (start < 0) {
                    return List.copyOf(extents);
                }
                at = seek(state, descriptor, start, SEEK_HOLE);
                extents.add(new Extent(start, at));
            }
        }
    }

    /**
     * Finds out by trying whether files of that size in that folder keep a hole of one page beside
     * a written page: a file system with larger blocks would present a hole as written zeroes.
     */
    public static boolean holesArePageExact(Path folder, long sizeBytes) {
        try {
            var probe = Files.createTempFile(folder, ".holes", "");
            try {
                try (var channel = FileChannel.open(probe, StandardOpenOption.WRITE)) {
                    channel.write(ByteBuffer.allocate(1), sizeBytes - 1);
                    channel.write(ByteBuffer.allocate(PAGE_BYTES), PAGE_BYTES);
                }
                return extents(probe).contains(new Extent(PAGE_BYTES, 2L * PAGE_BYTES));
            } finally {
                Files.delete(probe);
            }
        } catch (IOException e) {
            throw new WrennException(
                    Kind.UNAVAILABLE, "cannot try how files are stored in " + folder, e);
        }
    }

    /** The position found, or -1 if only holes follow. */
    private static long seek(MemorySegment state, Fd file, long from, int whence) {
        try {
            long found = (long) LSEEK.invokeExact(state, file.number(), from, whence);
            if (found < 0 && Libc.errno(state) != Errno.ENXIO) {
                throw new LinuxException("lseek", Libc.errno(state));
            }
            return found;
        } catch (LinuxException e) {
            throw e;
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }
}
