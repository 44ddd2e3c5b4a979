package dev.wrenn.linux;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.StructLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * Whether this kernel and this user can serve page faults the way the pager does it.
 *
 * @param problem why no userfaultfd can be made; empty if one can
 * @param missing features that the pager uses and this kernel lacks, by their names in Linux
 *     include/uapi/linux/userfaultfd.h without the common prefix
 */
public record UserfaultSupport(String problem, List<String> missing) {
    static final StructLayout STRUCT_UFFDIO_API =
            MemoryLayout.structLayout(
                    JAVA_LONG.withName("api"),
                    JAVA_LONG.withName("features"),
                    JAVA_LONG.withName("ioctls"));

    static final long UFFDIO_API = Ioctl.iowr(0xAA, 0x3F, STRUCT_UFFDIO_API.byteSize());

    private static final long API_VERSION = 0xAA;
    static final long SYS_USERFAULTFD = 323; // x86-64, Linux syscall_64.tbl
    private static final long O_CLOEXEC_NONBLOCK = 0x80000 | 0x800;

    /** A feature by its bit. */
    private record Feature(String name, int bit) {}

    private static final List<Feature> USED =
            List.of(
                    new Feature("PAGEFAULT_FLAG_WP", 0),
                    new Feature("EVENT_REMOVE", 3),
                    new Feature("WP_UNPOPULATED", 13),
                    new Feature("WP_ASYNC", 15));

    /** Copies the list. */
    public UserfaultSupport {
        missing = List.copyOf(missing);
    }

    /** Whether nothing is missing. */
    public boolean isComplete() {
        return problem.isEmpty() && missing.isEmpty();
    }

    /** Makes one, asks for its features (userfaultfd(2), UFFDIO_API) and closes it. */
    public static UserfaultSupport probe() {
        try (var arena = Arena.ofConfined()) {
            var state = Libc.state(arena);
            long number =
                    (long)
                            Libc.SYSCALL_3.invokeExact(
                                    state, SYS_USERFAULTFD, O_CLOEXEC_NONBLOCK, 0L, 0L);
            if (number < 0) {
                return new UserfaultSupport(
                        new LinuxException("userfaultfd", Libc.errno(state)).shownMessage(),
                        List.of());
            }
            try (var fd = new Fd((int) number)) {
                var api = arena.allocate(STRUCT_UFFDIO_API);
                api.set(JAVA_LONG, 0, API_VERSION);
                int result =
                        (int) Libc.IOCTL_POINTER.invokeExact(state, fd.number(), UFFDIO_API, api);
                if (result < 0) {
                    return new UserfaultSupport(
                            new LinuxException("UFFDIO_API", Libc.errno(state)).shownMessage(),
                            List.of());
                }
                return new UserfaultSupport("", missingIn(api.get(JAVA_LONG, 8)));
            }
        } catch (RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }

    private static List<String> missingIn(long features) {
        var missing = new ArrayList<String>();
        for (var feature : USED) {
            if ((features >>> feature.bit() & 1) == 0) {
                missing.add(feature.name());
            }
        }
        return missing;
    }
}
