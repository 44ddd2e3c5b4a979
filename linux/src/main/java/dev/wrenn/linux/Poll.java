package dev.wrenn.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.time.Duration;

/**
 * Waits for descriptors to become ready (poll(2)); allocates only when made. Blocks its thread in
 * the kernel, so it belongs on a platform thread. Used by one thread.
 */
public final class Poll {
    /** There is data, or an end of file. */
    public static final short POLLIN = 1;

    /** Error on the descriptor. */
    public static final short POLLERR = 8;

    /** The descriptor is not open. */
    public static final short POLLNVAL = 32;

    /** The other end hung up. */
    public static final short POLLHUP = 16;

    /** Linux include/uapi/asm-generic/poll.h. */
    static final StructLayout STRUCT_POLLFD =
            MemoryLayout.structLayout(
                    JAVA_INT.withName("fd"),
                    JAVA_SHORT.withName("events"),
                    JAVA_SHORT.withName("revents"));

    private static final long OFFSET_EVENTS =
            STRUCT_POLLFD.byteOffset(PathElement.groupElement("events"));
    private static final long OFFSET_REVENTS =
            STRUCT_POLLFD.byteOffset(PathElement.groupElement("revents"));

    private final MemorySegment entries;
    private final MemorySegment state;
    private final int count;

    /** Watches these for input; the segments live in the arena. */
    public Poll(Arena arena, Fd... watched) {
        count = watched.length;
        entries = arena.allocate(STRUCT_POLLFD.byteSize() * count, STRUCT_POLLFD.byteAlignment());
        state = Libc.state(arena);
        for (int i = 0; i < count; i++) {
            long at = i * STRUCT_POLLFD.byteSize();
            entries.set(JAVA_INT, at, watched[i].number());
            entries.set(JAVA_SHORT, at + OFFSET_EVENTS, POLLIN);
        }
    }

    /** Waits without a limit; EINTR counts as nothing ready. */
    public void await() {
        call(-1);
    }

    /**
     * Waits.
     *
     * @return whether anything is ready
     */
    public boolean await(Duration limit) {
        return call((int) Math.min(Integer.MAX_VALUE, Math.max(1, limit.toMillis()))) > 0;
    }

    /** Whether anything is ready now; does not wait. */
    public boolean isReady() {
        return call(0) > 0;
    }

    /** What poll said of the watched descriptor with that index. */
    public short ready(int index) {
        return entries.get(JAVA_SHORT, index * STRUCT_POLLFD.byteSize() + OFFSET_REVENTS);
    }

    private int call(int timeoutMs) {
        try {
            int ready = (int) Libc.POLL.invokeExact(state, entries, (long) count, timeoutMs);
            if (ready < 0) {
                int errno = Libc.errno(state);
                if (errno != Errno.EINTR) {
                    throw new LinuxException("poll", errno);
                }
                return 0;
            }
            return ready;
        } catch (LinuxException e) {
            throw e;
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }
}
