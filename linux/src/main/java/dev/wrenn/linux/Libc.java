package dev.wrenn.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

/**
 * Binds functions of the C library and keeps errno.
 *
 * <p>Every handle takes a call-state segment first, in which errno is kept for the calling thread;
 * {@code state(Arena)} allocates one. A handle returns what the function returns; -1 means errno is
 * set.
 */
final class Libc {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout STATE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO = STATE.varHandle(PathElement.groupElement("errno"));

    static final MethodHandle CLOSE = bind("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    static final MethodHandle OPEN =
            bindVariadic("open", 2, FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT));
    static final MethodHandle READ =
            bind("read", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG));
    static final MethodHandle POLL =
            bind("poll", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));
    static final MethodHandle IOCTL_POINTER =
            bindVariadic("ioctl", 2, FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, ADDRESS));
    static final MethodHandle IOCTL_INT =
            bindVariadic(
                    "ioctl", 2, FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT));
    static final MethodHandle SYSCALL_3 =
            bindVariadic(
                    "syscall",
                    1,
                    FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));

    private Libc() {}

    static MethodHandle bind(String name, FunctionDescriptor descriptor) {
        return handle(name, descriptor, Linker.Option.captureCallState("errno"));
    }

    /** For functions that return their error number and leave errno alone. */
    static MethodHandle bindPlain(String name, FunctionDescriptor descriptor) {
        return handle(name, descriptor);
    }

    static MethodHandle bindVariadic(String name, int fixed, FunctionDescriptor descriptor) {
        return handle(
                name,
                descriptor,
                Linker.Option.captureCallState("errno"),
                Linker.Option.firstVariadicArg(fixed));
    }

    @SuppressWarnings("restricted")
    private static MethodHandle handle(
            String name, FunctionDescriptor descriptor, Linker.Option... options) {
        // SAFETY: each descriptor stands beside the man page it was taken from and is checked by
        // LayoutTest and the module's root tests; the symbol is the C library's own.
        return LINKER.downcallHandle(
                LINKER.defaultLookup().find(name).orElseThrow(), descriptor, options);
    }

    /** A segment that keeps errno; one per thread and use. */
    static MemorySegment state(Arena arena) {
        return arena.allocate(STATE);
    }

    /** The errno a handle left in its segment. */
    static int errno(MemorySegment state) {
        return (int) ERRNO.get(state, 0L);
    }

    /** Handles declare Throwable; none of the bound functions can throw. */
    static WrennException impossible(Throwable thrown) {
        return new WrennException(Kind.BUG, "a native call threw", thrown);
    }
}
