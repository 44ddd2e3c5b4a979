package dev.wrenn.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.wrenn.base.Resource;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Reads memory of another process (process_vm_readv(2)). Used by one thread. */
@SuppressWarnings(
        "MustBeClosedChecker") // the arena lives as long as this object; close() ends both
public final class ProcessMemory implements Resource {
    private static final MethodHandle PROCESS_VM_READV =
            Libc.bind(
                    "process_vm_readv",
                    FunctionDescriptor.of(
                            JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG,
                            JAVA_LONG));

    private final int pid;
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment state = Libc.state(arena);
    private final MemorySegment local = arena.allocate(UnixSocket.IOVEC_BYTES, 8);
    private final MemorySegment remote = arena.allocate(UnixSocket.IOVEC_BYTES, 8);

    /** Memory of that process. */
    public ProcessMemory(long pid) {
        this.pid = Math.toIntExact(pid);
    }

    /**
     * Fills the segment from that address on.
     *
     * @throws LinuxException ESRCH if the process is gone, EFAULT (14) if nothing is mapped there
     */
    public void read(long address, MemorySegment into) {
        long done = 0;
        while (done < into.byteSize()) {
            local.set(ADDRESS, 0, into.asSlice(done));
            local.set(JAVA_LONG, 8, into.byteSize() - done);
            remote.set(JAVA_LONG, 0, address + done);
            remote.set(JAVA_LONG, 8, into.byteSize() - done);
            long read;
            try {
                read = (long) PROCESS_VM_READV.invokeExact(state, pid, local, 1L, remote, 1L, 0L);
            } catch (Throwable e) {
                throw Libc.impossible(e);
            }
            if (read <= 0) {
                throw new LinuxException("process_vm_readv", Libc.errno(state));
            }
            done += read;
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
