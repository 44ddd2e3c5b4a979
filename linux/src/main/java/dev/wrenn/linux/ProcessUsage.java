package dev.wrenn.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * What a process has used: time of processors, by the kernel's clock of it, and memory.
 *
 * <p>The clock counts nanoseconds of all threads that the process ever had, where the ticks of
 * proc_pid_stat(5) would be 2 % of half a second.
 *
 * @param cpuNanos time of processors since its start
 * @param residentBytes what it holds of the machine's memory
 */
public record ProcessUsage(long cpuNanos, long residentBytes) {
    /** Linux include/uapi/linux/time_types.h, {@code __kernel_timespec}. */
    static final StructLayout STRUCT_TIMESPEC =
            MemoryLayout.structLayout(JAVA_LONG.withName("tv_sec"), JAVA_LONG.withName("tv_nsec"));

    private static final long NANOS_OFFSET =
            STRUCT_TIMESPEC.byteOffset(PathElement.groupElement("tv_nsec"));
    private static final long NANOS_PER_SECOND = 1_000_000_000L;

    /** clock_getcpuclockid(3): returns its error number. */
    private static final MethodHandle CLOCK_OF =
            Libc.bindPlain(
                    "clock_getcpuclockid", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS));

    /** clock_gettime(2). */
    private static final MethodHandle CLOCK_GETTIME =
            Libc.bind("clock_gettime", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS));

    private static final long PAGE_BYTES = 4096; // x86-64
    private static final int RESIDENT = 1; // proc_pid_statm(5)

    /** Measures now; empty if that process is not there any more. */
    public static Optional<ProcessUsage> of(ProcessIdentity process) {
        try (var arena = Arena.ofConfined()) {
            var clock = arena.allocate(JAVA_INT);
            var time = arena.allocate(STRUCT_TIMESPEC);
            var state = Libc.state(arena);
            if ((int) CLOCK_OF.invokeExact(Math.toIntExact(process.pid()), clock) != 0
                    || (int) CLOCK_GETTIME.invokeExact(state, clock.get(JAVA_INT, 0), time) != 0) {
                return Optional.empty();
            }
            long nanos =
                    time.get(JAVA_LONG, 0) * NANOS_PER_SECOND + time.get(JAVA_LONG, NANOS_OFFSET);
            return Optional.of(new ProcessUsage(nanos, residentBytes(process.pid())));
        } catch (IOException _) {
            return Optional.empty(); // it ended
        } catch (RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }

    private static long residentBytes(long pid) throws IOException {
        var fields =
                new String(
                                Files.readAllBytes(Path.of("/proc/" + pid + "/statm")),
                                StandardCharsets.US_ASCII)
                        .split(" ", -1);
        return Long.parseLong(fields[RESIDENT]) * PAGE_BYTES;
    }
}
