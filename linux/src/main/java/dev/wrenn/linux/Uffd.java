package dev.wrenn.linux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.wrenn.base.Resource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/**
 * A userfaultfd that a VMM has handed over (userfaultfd(2), ioctl_userfaultfd(2); Linux
 * include/uapi/linux/userfaultfd.h). One instance per thread: its argument structs are reused, so
 * that nothing is allocated on the fault path. Several instances may share one descriptor.
 */
@SuppressWarnings(
        "MustBeClosedChecker") // the arena lives as long as this object; close() ends both
public final class Uffd implements Resource {
    /** Layouts as in the header; sizes and offsets are checked against it by LayoutTest. */
    static final StructLayout STRUCT_UFFDIO_COPY =
            MemoryLayout.structLayout(
                    JAVA_LONG.withName("dst"),
                    JAVA_LONG.withName("src"),
                    JAVA_LONG.withName("len"),
                    JAVA_LONG.withName("mode"),
                    JAVA_LONG.withName("copy"));

    static final StructLayout STRUCT_UFFDIO_ZEROPAGE =
            MemoryLayout.structLayout(
                    JAVA_LONG.withName("start"),
                    JAVA_LONG.withName("len"),
                    JAVA_LONG.withName("mode"),
                    JAVA_LONG.withName("zeropage"));

    static final StructLayout STRUCT_UFFDIO_RANGE =
            MemoryLayout.structLayout(JAVA_LONG.withName("start"), JAVA_LONG.withName("len"));

    static final long UFFDIO_COPY = Ioctl.iowr(0xAA, 0x03, STRUCT_UFFDIO_COPY.byteSize());
    static final long UFFDIO_ZEROPAGE = Ioctl.iowr(0xAA, 0x04, STRUCT_UFFDIO_ZEROPAGE.byteSize());
    static final long UFFDIO_WAKE = Ioctl.ior(0xAA, 0x02, STRUCT_UFFDIO_RANGE.byteSize());
    static final long UFFDIO_COPY_MODE_WP = 2;

    private static final long COPY_DST = offset(STRUCT_UFFDIO_COPY, "dst");
    private static final long COPY_SRC = offset(STRUCT_UFFDIO_COPY, "src");
    private static final long COPY_LEN = offset(STRUCT_UFFDIO_COPY, "len");
    private static final long COPY_MODE = offset(STRUCT_UFFDIO_COPY, "mode");
    private static final long COPY_COPY = offset(STRUCT_UFFDIO_COPY, "copy");
    private static final long ZERO_ZEROPAGE = offset(STRUCT_UFFDIO_ZEROPAGE, "zeropage");

    /** struct uffd_msg is 32 bytes; event at 0, arguments from 8 on. */
    static final long MESSAGE_BYTES = 32;

    private static final int MESSAGES = 64;
    static final int EVENT_PAGEFAULT = 0x12;
    static final int EVENT_REMOVE = 0x15;
    static final long ARG_ADDRESS = 16; // arg.pagefault.address, after its flags
    static final long ARG_START = 8;
    static final long ARG_END = 16;

    private final Fd fd;
    private final Arena arena;
    private final MemorySegment state;
    private final MemorySegment argument;
    private final MemorySegment messages;
    private long lastInstalled;

    /**
     * @param fd stays the caller's; must be non-blocking
     */
    public Uffd(Fd fd) {
        this.fd = fd;
        this.arena = Arena.ofConfined();
        this.state = Libc.state(arena);
        this.argument = arena.allocate(STRUCT_UFFDIO_COPY);
        this.messages = arena.allocate(MESSAGE_BYTES * MESSAGES, 8);
    }

    /** How many messages one {@link #read} hands over at most. */
    public static int maxEvents() {
        return MESSAGES;
    }

    /** Receives what {@link #read} finds. */
    public interface Events {
        /** A thread of the VM waits at that address. */
        void pageFault(long hostAddress);

        /** The VM has given that range back; it reads as zero from now on. */
        void removed(long hostAddress, long endAddress);
    }

    /** Outcome of installing pages. */
    public enum Outcome {
        /** All of it is there now. */
        DONE,
        /** Some of it, see {@link #installedBytes()}. */
        PARTIAL,
        /** The first page was there already. */
        PRESENT,
        /** The mapping is changing; try again. */
        AGAIN,
        /** The range is not registered for write protection. */
        UNTRACKED,
        /** The VM is gone. */
        GONE
    }

    /**
     * Reads the events that are there and hands each over; returns at once if there are none.
     *
     * <p>Removals come first. The kernel lets the VM drop a range as soon as the message about it
     * is read, and hands out faults before removals: a fault that was read together with the
     * removal of its page must already be answered with zeroes.
     */
    public void read(Events events) {
        long bytes;
        try {
            bytes = (long) Libc.READ.invokeExact(state, fd.number(), messages, messages.byteSize());
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
        if (bytes < 0) {
            int errno = Libc.errno(state);
            if (errno == Errno.EAGAIN || errno == Errno.EINTR) {
                return;
            }
            throw new LinuxException("read of a userfaultfd", errno);
        }
        // No other event is enabled by the VMMs we know; one that enables more does not wait.
        for (long at = 0; at < bytes; at += MESSAGE_BYTES) {
            if (messages.get(JAVA_BYTE, at) == EVENT_REMOVE) {
                events.removed(
                        messages.get(JAVA_LONG, at + ARG_START),
                        messages.get(JAVA_LONG, at + ARG_END));
            }
        }
        for (long at = 0; at < bytes; at += MESSAGE_BYTES) {
            if (messages.get(JAVA_BYTE, at) == EVENT_PAGEFAULT) {
                events.pageFault(messages.get(JAVA_LONG, at + ARG_ADDRESS));
            }
        }
    }

    /**
     * Installs a copy of the bytes, write-protected so that a later write is seen, and wakes
     * whoever waits for them.
     *
     * @param hostAddress where, page aligned
     * @param bytes whole pages
     * @param tracked whether the range is registered for write protection
     */
    public Outcome copy(long hostAddress, MemorySegment bytes, boolean tracked) {
        argument.set(JAVA_LONG, COPY_DST, hostAddress);
        argument.set(JAVA_LONG, COPY_SRC, bytes.address());
        argument.set(JAVA_LONG, COPY_LEN, bytes.byteSize());
        argument.set(JAVA_LONG, COPY_MODE, tracked ? UFFDIO_COPY_MODE_WP : 0);
        argument.set(JAVA_LONG, COPY_COPY, 0);
        int errno = ioctl(UFFDIO_COPY);
        if (errno == Errno.EINVAL && tracked) {
            return Outcome.UNTRACKED;
        }
        return outcome("UFFDIO_COPY", errno, argument.get(JAVA_LONG, COPY_COPY));
    }

    /** Maps the zero page over a range and wakes whoever waits for it; costs no memory. */
    public Outcome zero(long hostAddress, long bytes) {
        argument.set(JAVA_LONG, 0, hostAddress);
        argument.set(JAVA_LONG, 8, bytes);
        argument.set(JAVA_LONG, 16, 0);
        argument.set(JAVA_LONG, ZERO_ZEROPAGE, 0);
        return outcome(
                "UFFDIO_ZEROPAGE", ioctl(UFFDIO_ZEROPAGE), argument.get(JAVA_LONG, ZERO_ZEROPAGE));
    }

    /** How much the last call that was {@link Outcome#PARTIAL} installed. */
    public long installedBytes() {
        return Math.max(0, lastInstalled);
    }

    /** Lets every thread that waits in a range look again. */
    public void wake(long hostAddress, long bytes) {
        argument.set(JAVA_LONG, 0, hostAddress);
        argument.set(JAVA_LONG, 8, bytes);
        int errno = ioctl(UFFDIO_WAKE);
        if (errno != Errno.NONE && errno != Errno.ESRCH && errno != Errno.ENOENT) {
            throw new LinuxException("UFFDIO_WAKE", errno);
        }
    }

    private Outcome outcome(String what, int errno, long installed) {
        lastInstalled = installed;
        return switch (errno) {
            case Errno.NONE -> Outcome.DONE;
            case Errno.EEXIST -> Outcome.PRESENT;
            case Errno.EAGAIN -> installed > 0 ? Outcome.PARTIAL : Outcome.AGAIN;
            case Errno.ESRCH, Errno.ENOENT -> Outcome.GONE;
            default -> throw new LinuxException(what, errno);
        };
    }

    private int ioctl(long request) {
        try {
            int result =
                    (int) Libc.IOCTL_POINTER.invokeExact(state, fd.number(), request, argument);
            return result == 0 ? Errno.NONE : Libc.errno(state);
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }

    private static long offset(StructLayout layout, String field) {
        return layout.byteOffset(PathElement.groupElement(field));
    }

    /** Frees the argument structs, not the descriptor; by the thread that made it. */
    @Override
    public void close() {
        arena.close();
    }
}
