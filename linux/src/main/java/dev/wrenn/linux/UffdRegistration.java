package dev.wrenn.linux;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.StructLayout;

/**
 * The VMM's side of a userfaultfd: makes one and puts memory of this process under it, as the shim
 * does in QEMU. The pager uses it to exercise itself.
 */
public final class UffdRegistration {
    static final StructLayout STRUCT_UFFDIO_REGISTER =
            MemoryLayout.structLayout(
                    JAVA_LONG.withName("range.start"),
                    JAVA_LONG.withName("range.len"),
                    JAVA_LONG.withName("mode"),
                    JAVA_LONG.withName("ioctls"));

    static final long UFFDIO_REGISTER = Ioctl.iowr(0xAA, 0x00, STRUCT_UFFDIO_REGISTER.byteSize());
    static final long UFFDIO_REGISTER_MODE_MISSING = 1;
    static final long UFFDIO_REGISTER_MODE_WP = 2;

    private static final long O_CLOEXEC_NONBLOCK = 0x80000 | 0x800;
    private static final long API_VERSION = 0xAA;
    // PAGEFAULT_FLAG_WP, EVENT_REMOVE, WP_UNPOPULATED, WP_ASYNC
    private static final long FEATURES = 1L | 1L << 3 | 1L << 13 | 1L << 15;

    private UffdRegistration() {}

    /**
     * A userfaultfd over all of that memory, missing pages and writes.
     *
     * @throws LinuxException if the kernel lacks a feature or the user may not
     */
    public static Fd over(AnonymousMemory memory) {
        try (var arena = Arena.ofConfined()) {
            var state = Libc.state(arena);
            long number =
                    (long)
                            Libc.SYSCALL_3.invokeExact(
                                    state,
                                    UserfaultSupport.SYS_USERFAULTFD,
                                    O_CLOEXEC_NONBLOCK,
                                    0L,
                                    0L);
            if (number < 0) {
                throw new LinuxException("userfaultfd", Libc.errno(state));
            }
            var fd = new Fd((int) number);
            try {
                var api = arena.allocate(UserfaultSupport.STRUCT_UFFDIO_API);
                api.set(JAVA_LONG, 0, API_VERSION);
                api.set(JAVA_LONG, 8, FEATURES);
                ioctl("UFFDIO_API", state, fd, UserfaultSupport.UFFDIO_API, api);
                var registration = arena.allocate(STRUCT_UFFDIO_REGISTER);
                registration.set(JAVA_LONG, 0, memory.address());
                registration.set(JAVA_LONG, 8, memory.bytes());
                registration.set(
                        JAVA_LONG, 16, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);
                ioctl("UFFDIO_REGISTER", state, fd, UFFDIO_REGISTER, registration);
                return fd;
            } catch (RuntimeException e) {
                fd.close();
                throw e;
            }
        } catch (RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }

    private static void ioctl(
            String what,
            java.lang.foreign.MemorySegment state,
            Fd fd,
            long request,
            java.lang.foreign.MemorySegment argument)
            throws Throwable {
        int result = (int) Libc.IOCTL_POINTER.invokeExact(state, fd.number(), request, argument);
        if (result < 0) {
            throw new LinuxException(what, Libc.errno(state));
        }
    }
}
