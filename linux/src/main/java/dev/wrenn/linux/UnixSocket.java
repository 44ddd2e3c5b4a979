package dev.wrenn.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.DeadlinePassed;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;

/**
 * A stream socket of the unix domain (unix(7)) that can carry file descriptors. The JDK's own
 * channels cannot pass descriptors. Blocking; belongs on a platform thread when it may wait.
 */
public final class UnixSocket implements Resource {
    private static final int AF_UNIX = 1;
    private static final int SOCK_STREAM = 1;
    private static final int SOCK_CLOEXEC = 0x80000;
    private static final int SOL_SOCKET = 1;
    private static final int SO_PEERCRED = 17;
    private static final int SCM_RIGHTS = 1;
    private static final int MSG_CMSG_CLOEXEC = 0x40000000;
    private static final int MSG_NOSIGNAL = 0x4000;
    private static final int PATH_LIMIT_BYTES = 107; // sun_path[108] and its final zero
    static final int SOCKADDR_BYTES = 110;
    private static final int BACKLOG = 8;
    private static final int MAX_FDS = 4;
    static final int CMSG_HEADER_BYTES = 16;
    static final int UCRED_BYTES = 12;
    static final long IOVEC_BYTES = 16;

    /** Linux include/linux/socket.h, struct user_msghdr. */
    static final StructLayout STRUCT_MSGHDR =
            MemoryLayout.structLayout(
                    ADDRESS.withName("msg_name"),
                    JAVA_INT.withName("msg_namelen"),
                    MemoryLayout.paddingLayout(4),
                    ADDRESS.withName("msg_iov"),
                    JAVA_LONG.withName("msg_iovlen"),
                    ADDRESS.withName("msg_control"),
                    JAVA_LONG.withName("msg_controllen"),
                    JAVA_INT.withName("msg_flags"),
                    MemoryLayout.paddingLayout(4));

    private static final long IOV = offset("msg_iov");
    private static final long IOVLEN = offset("msg_iovlen");
    private static final long CONTROL = offset("msg_control");
    private static final long CONTROLLEN = offset("msg_controllen");

    private static final MethodHandle SOCKET =
            Libc.bind("socket", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle SOCKETPAIR =
            Libc.bind(
                    "socketpair",
                    FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS));
    private static final MethodHandle BIND =
            Libc.bind("bind", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle LISTEN =
            Libc.bind("listen", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle CONNECT =
            Libc.bind("connect", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle ACCEPT4 =
            Libc.bind(
                    "accept4",
                    FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, ADDRESS, JAVA_INT));
    private static final MethodHandle RECVMSG =
            Libc.bind("recvmsg", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle SENDMSG =
            Libc.bind("sendmsg", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle GETSOCKOPT =
            Libc.bind(
                    "getsockopt",
                    FunctionDescriptor.of(
                            JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, ADDRESS));

    private final Fd fd;

    private UnixSocket(Fd fd) {
        this.fd = fd;
    }

    /**
     * What arrived with one read.
     *
     * @param bytes empty at the end of the stream
     * @param descriptors owned by the receiver
     */
    public record Message(String bytes, List<Fd> descriptors) {
        /** Copies the list. */
        public Message {
            descriptors = List.copyOf(descriptors);
        }
    }

    /** Binds a new socket file, readable by its owner only, and listens. */
    public static UnixSocket listen(Path path) {
        var fd = open();
        try (var arena = Arena.ofConfined()) {
            Files.deleteIfExists(path);
            var address = address(arena, path);
            check(
                    "bind",
                    arena,
                    s -> (int) BIND.invokeExact(s, fd.number(), address, SOCKADDR_BYTES));
            Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-------"));
            check("listen", arena, s -> (int) LISTEN.invokeExact(s, fd.number(), BACKLOG));
            return new UnixSocket(fd);
        } catch (IOException e) {
            fd.close();
            throw new WrennException(
                    Kind.UNAVAILABLE, "cannot make socket " + path.getFileName(), e);
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    /** Connects to a listening socket. */
    public static UnixSocket connect(Path path) {
        var fd = open();
        try (var arena = Arena.ofConfined()) {
            var address = address(arena, path);
            check(
                    "connect to " + path.getFileName(),
                    arena,
                    s -> (int) CONNECT.invokeExact(s, fd.number(), address, SOCKADDR_BYTES));
            return new UnixSocket(fd);
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    /** Waits for somebody to connect. */
    public UnixSocket accept(Deadline deadline) {
        try (var arena = Arena.ofConfined()) {
            awaitInput(arena, "waiting for a connection", deadline);
            return new UnixSocket(
                    new Fd(
                            check(
                                    "accept4",
                                    arena,
                                    s ->
                                            (int)
                                                    ACCEPT4.invokeExact(
                                                            s,
                                                            fd.number(),
                                                            MemorySegment.NULL,
                                                            MemorySegment.NULL,
                                                            SOCK_CLOEXEC))));
        }
    }

    /** Process at the other end when it connected (unix(7), SO_PEERCRED). */
    public long peerPid() {
        try (var arena = Arena.ofConfined()) {
            var credentials = arena.allocate(UCRED_BYTES, 4);
            var length = arena.allocateFrom(JAVA_INT, UCRED_BYTES);
            check(
                    "getsockopt SO_PEERCRED",
                    arena,
                    s ->
                            (int)
                                    GETSOCKOPT.invokeExact(
                                            s,
                                            fd.number(),
                                            SOL_SOCKET,
                                            SO_PEERCRED,
                                            credentials,
                                            length));
            return credentials.get(JAVA_INT, 0);
        }
    }

    /**
     * Waits for bytes and reads what is there, with the descriptors that came along.
     *
     * @param limitBytes most bytes to take
     */
    public Message receive(int limitBytes, Deadline deadline) {
        try (var arena = Arena.ofConfined()) {
            awaitInput(arena, "waiting for a message", deadline);
            var buffer = arena.allocate(limitBytes);
            var control = arena.allocate(CMSG_HEADER_BYTES + 4L * MAX_FDS, 8);
            var message = header(arena, buffer, control, control.byteSize());
            long read =
                    checkLong(
                            "recvmsg",
                            arena,
                            s ->
                                    (long)
                                            RECVMSG.invokeExact(
                                                    s, fd.number(), message, MSG_CMSG_CLOEXEC));
            return new Message(
                    new String(buffer.asSlice(0, read).toArray(JAVA_BYTE), StandardCharsets.UTF_8),
                    descriptors(control, message.get(JAVA_LONG, CONTROLLEN)));
        }
    }

    /** Sends a text, with a descriptor if one is given; the receiver gets its own copy of it. */
    public void send(String text, Fd... passed) {
        try (var arena = Arena.ofConfined()) {
            var bytes = arena.allocateFrom(JAVA_BYTE, text.getBytes(StandardCharsets.UTF_8));
            var control = arena.allocate(CMSG_HEADER_BYTES + 8L * MAX_FDS, 8);
            long sent = 0;
            while (sent < bytes.byteSize()) {
                boolean first = sent == 0 && passed.length > 0;
                var message =
                        header(
                                arena,
                                bytes.asSlice(sent),
                                control,
                                first ? describe(control, passed) : 0);
                sent +=
                        checkLong(
                                "sendmsg",
                                arena,
                                s ->
                                        (long)
                                                SENDMSG.invokeExact(
                                                        s, fd.number(), message, MSG_NOSIGNAL));
            }
        }
    }

    /** Two connected sockets (socketpair(2)); closing one makes the other readable. */
    public static List<UnixSocket> pair() {
        try (var arena = Arena.ofConfined()) {
            var fds = arena.allocate(JAVA_INT, 2);
            check(
                    "socketpair",
                    arena,
                    s ->
                            (int)
                                    SOCKETPAIR.invokeExact(
                                            s, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
            return List.of(
                    new UnixSocket(new Fd(fds.getAtIndex(JAVA_INT, 0))),
                    new UnixSocket(new Fd(fds.getAtIndex(JAVA_INT, 1))));
        }
    }

    /** The descriptor, to poll it. */
    public Fd fd() {
        return fd;
    }

    @Override
    public void close() {
        fd.close();
    }

    private void awaitInput(Arena arena, String attempt, Deadline deadline) {
        var poll = new Poll(arena, fd);
        while (!poll.await(deadline.left())) {
            if (deadline.isPast()) {
                throw new DeadlinePassed(attempt, deadline.limit());
            }
        }
    }

    private static Fd open() {
        try (var arena = Arena.ofConfined()) {
            return new Fd(
                    check(
                            "socket",
                            arena,
                            s ->
                                    (int)
                                            SOCKET.invokeExact(
                                                    s, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
        }
    }

    private static MemorySegment address(Arena arena, Path path) {
        var name = path.toString().getBytes(StandardCharsets.UTF_8);
        if (name.length > PATH_LIMIT_BYTES) {
            throw new WrennException(
                    Kind.INVALID,
                    "socket path has %d bytes, Linux allows %d"
                            .formatted(name.length, PATH_LIMIT_BYTES));
        }
        var address = arena.allocate(SOCKADDR_BYTES, 2);
        address.set(JAVA_SHORT, 0, (short) AF_UNIX);
        MemorySegment.copy(name, 0, address, JAVA_BYTE, 2, name.length);
        return address;
    }

    private static MemorySegment header(
            Arena arena, MemorySegment buffer, MemorySegment control, long controlBytes) {
        var iovec = arena.allocate(IOVEC_BYTES, 8);
        iovec.set(ADDRESS, 0, buffer);
        iovec.set(JAVA_LONG, 8, buffer.byteSize());
        var message = arena.allocate(STRUCT_MSGHDR);
        message.set(ADDRESS, IOV, iovec);
        message.set(JAVA_LONG, IOVLEN, 1);
        if (controlBytes > 0) {
            message.set(ADDRESS, CONTROL, control);
            message.set(JAVA_LONG, CONTROLLEN, controlBytes);
        }
        return message;
    }

    /** Writes one SCM_RIGHTS entry (cmsg(3)); returns CMSG_SPACE of it. */
    private static long describe(MemorySegment control, Fd... passed) {
        if (passed.length > MAX_FDS) {
            throw new IllegalArgumentException("at most " + MAX_FDS + " descriptors at once");
        }
        control.set(JAVA_LONG, 0, CMSG_HEADER_BYTES + 4L * passed.length);
        control.set(JAVA_INT, 8, SOL_SOCKET);
        control.set(JAVA_INT, 12, SCM_RIGHTS);
        for (int i = 0; i < passed.length; i++) {
            control.set(JAVA_INT, CMSG_HEADER_BYTES + 4L * i, passed[i].number());
        }
        return CMSG_HEADER_BYTES + ((4L * passed.length + 7) & ~7L);
    }

    private static List<Fd> descriptors(MemorySegment control, long controlBytes) {
        var fds = new ArrayList<Fd>();
        if (controlBytes >= CMSG_HEADER_BYTES
                && control.get(JAVA_INT, 8) == SOL_SOCKET
                && control.get(JAVA_INT, 12) == SCM_RIGHTS) {
            long end = control.get(JAVA_LONG, 0);
            for (long at = CMSG_HEADER_BYTES; at + 4 <= end; at += 4) {
                fds.add(new Fd(control.get(JAVA_INT, at)));
            }
        }
        return fds;
    }

    private interface IntCall {
        int invoke(MemorySegment state) throws Throwable;
    }

    private interface LongCall {
        long invoke(MemorySegment state) throws Throwable;
    }

    private static int check(String what, Arena arena, IntCall call) {
        return (int) checkLong(what, arena, call::invoke);
    }

    private static long checkLong(String what, Arena arena, LongCall call) {
        var state = Libc.state(arena);
        while (true) {
            long result;
            try {
                result = call.invoke(state);
            } catch (Throwable e) {
                throw Libc.impossible(e);
            }
            if (result >= 0) {
                return result;
            }
            int errno = Libc.errno(state);
            if (errno != Errno.EINTR) {
                throw new LinuxException(what, errno);
            }
        }
    }

    private static long offset(String field) {
        return STRUCT_MSGHDR.byteOffset(PathElement.groupElement(field));
    }
}
