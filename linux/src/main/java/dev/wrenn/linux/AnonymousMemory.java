package dev.wrenn.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.wrenn.base.Resource;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Private anonymous memory of this process (mmap(2)), known only by its address.
 *
 * <p>No segment of it is handed out on purpose: a Java thread that waits for a page of memory that
 * is served by another Java thread holds up every safepoint, and with it the server. Only system
 * calls may touch it while it is registered with a {@link Uffd}.
 */
public final class AnonymousMemory implements Resource {
    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_PRIVATE = 0x02;
    private static final int MAP_ANONYMOUS = 0x20;
    private static final int MAP_NORESERVE = 0x4000;
    private static final int MADV_DONTNEED = 4;
    private static final int MADV_NOHUGEPAGE = 15;

    private static final MethodHandle MMAP =
            Libc.bind(
                    "mmap",
                    FunctionDescriptor.of(
                            JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT,
                            JAVA_LONG));
    private static final MethodHandle MUNMAP =
            Libc.bind("munmap", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle MADVISE =
            Libc.bind("madvise", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));

    private final long address;
    private final long bytes;
    private final AtomicBoolean closed = new AtomicBoolean();

    private AnonymousMemory(long address, long bytes) {
        this.address = address;
        this.bytes = bytes;
    }

    /** Maps that many bytes, in small pages. */
    public static AnonymousMemory map(long bytes) {
        try (var arena = Arena.ofConfined()) {
            var state = Libc.state(arena);
            long address =
                    (long)
                            MMAP.invokeExact(
                                    state,
                                    java.lang.foreign.MemorySegment.NULL,
                                    bytes,
                                    PROT_READ_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                                    -1,
                                    0L);
            if (address == -1) {
                throw new LinuxException("mmap", Libc.errno(state));
            }
            var memory = new AnonymousMemory(address, bytes);
            memory.advise(0, bytes, MADV_NOHUGEPAGE);
            return memory;
        } catch (RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }

    /** Where it starts. */
    public long address() {
        return address;
    }

    /** How long it is. */
    public long bytes() {
        return bytes;
    }

    /** Gives pages back (MADV_DONTNEED); blocks until a userfaultfd's reader has seen it. */
    public void discard(long offset, long length) {
        advise(offset, length, MADV_DONTNEED);
    }

    private void advise(long offset, long length, int advice) {
        try (var arena = Arena.ofConfined()) {
            var state = Libc.state(arena);
            int result = (int) MADVISE.invokeExact(state, address + offset, length, advice);
            // EINVAL to NOHUGEPAGE: a kernel without huge pages has nothing to be told.
            if (result < 0 && !(advice == MADV_NOHUGEPAGE && Libc.errno(state) == Errno.EINVAL)) {
                throw new LinuxException("madvise", Libc.errno(state));
            }
        } catch (RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }

    @Override
    public void close() {
        if (!closed.compareAndSet(false, true)) {
            return;
        }
        try (var arena = Arena.ofConfined()) {
            var state = Libc.state(arena);
            int result = (int) MUNMAP.invokeExact(state, address, bytes);
            if (result < 0) {
                throw new LinuxException("munmap", Libc.errno(state));
            }
        } catch (RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }
}
