package dev.wrenn.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Resource;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** A handle on a process that cannot come to mean another one (pidfd_open(2)). */
public final class Pidfd implements Resource {
    // x86-64 numbers, Linux arch/x86/entry/syscalls/syscall_64.tbl
    private static final long SYS_PIDFD_SEND_SIGNAL = 424;
    private static final long SYS_PIDFD_OPEN = 434;
    private static final long SYS_PIDFD_GETFD = 438;
    private static final int SIGKILL = 9;
    private static final int SIGTERM = 15;
    private static final int P_PIDFD = 3;
    private static final int WEXITED = 4;
    private static final int WNOHANG = 1;
    static final int SIGINFO_BYTES = 128;
    private static final int ECHILD = 10;

    /** waitid(2). */
    private static final MethodHandle WAITID =
            Libc.bind(
                    "waitid",
                    FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT));

    /** Five-argument form for pidfd_send_signal(2). */
    private static final MethodHandle SYSCALL_SIGNAL =
            Libc.bindVariadic(
                    "syscall",
                    1,
                    FunctionDescriptor.of(
                            JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT));

    private final Fd fd;

    private Pidfd(Fd fd) {
        this.fd = fd;
    }

    /**
     * Opens the process that has this number now.
     *
     * @throws LinuxException ESRCH if there is none
     */
    public static Pidfd open(long pid) {
        return new Pidfd(syscall("pidfd_open of " + pid, SYS_PIDFD_OPEN, pid, 0, 0));
    }

    /** Takes a copy of one of its descriptors (pidfd_getfd(2)). */
    public Fd duplicate(int theirNumber) {
        return syscall("pidfd_getfd", SYS_PIDFD_GETFD, fd.number(), theirNumber, 0);
    }

    /** Ends it at once; one that has ended already is fine. */
    public void kill() {
        signal(SIGKILL);
    }

    /** Asks it to end; one that has ended already is fine. */
    public void terminate() {
        signal(SIGTERM);
    }

    private void signal(int signal) {
        try (var arena = Arena.ofConfined()) {
            var state = Libc.state(arena);
            long result =
                    (long)
                            SYSCALL_SIGNAL.invokeExact(
                                    state, SYS_PIDFD_SEND_SIGNAL, fd.number(), signal, 0L, 0);
            int errno = Libc.errno(state);
            if (result < 0 && errno != Errno.ESRCH) {
                throw new LinuxException("pidfd_send_signal", errno);
            }
        } catch (LinuxException e) {
            throw e;
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }

    /**
     * Waits until it has ended, and reaps it if it is our child.
     *
     * @return whether it ended before the deadline
     */
    public boolean awaitExit(Deadline deadline) {
        try (var arena = Arena.ofConfined()) {
            var poll = new Poll(arena, fd);
            while (!poll.await(deadline.left())) {
                if (deadline.isPast()) {
                    return false;
                }
            }
            reap(arena);
            return true;
        }
    }

    /** Whether it has ended. */
    public boolean hasEnded() {
        try (var arena = Arena.ofConfined()) {
            return new Poll(arena, fd).isReady();
        }
    }

    /** A zombie would keep its number; whoever is not the parent gets ECHILD, which is fine. */
    private void reap(Arena arena) {
        MemorySegment info = arena.allocate(SIGINFO_BYTES, 8);
        var state = Libc.state(arena);
        try {
            int result =
                    (int) WAITID.invokeExact(state, P_PIDFD, fd.number(), info, WEXITED | WNOHANG);
            if (result < 0 && Libc.errno(state) != ECHILD) {
                throw new LinuxException("waitid", Libc.errno(state));
            }
        } catch (LinuxException e) {
            throw e;
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }

    /** Readable once the process has ended; to poll it with others. */
    public Fd fd() {
        return fd;
    }

    private static Fd syscall(String what, long number, long a, long b, long c) {
        try (var arena = Arena.ofConfined()) {
            var state = Libc.state(arena);
            long result = (long) Libc.SYSCALL_3.invokeExact(state, number, a, b, c);
            if (result < 0) {
                throw new LinuxException(what, Libc.errno(state));
            }
            return new Fd((int) result);
        } catch (LinuxException e) {
            throw e;
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }

    @Override
    public void close() {
        fd.close();
    }
}
