package dev.wrenn.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.wrenn.base.Resource;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/**
 * A named pipe that somebody writes into and we empty now and then (fifo(7)).
 *
 * <p>It is opened for reading and writing, which on Linux never waits for the other side. What does
 * not fit into the pipe's 64 KiB is lost to a writer that does not wait; nothing ever reaches a
 * disk. Thread-safe.
 */
public final class Fifo implements Resource {
    static final int O_NONBLOCK = 0x800;
    private static final int OWNER_ONLY = 0600;
    private static final int CHUNK_BYTES = 16 * 1024;

    /** More than the pipe can hold: a writer that is faster than we must not keep us for ever. */
    private static final int LIMIT_BYTES = 256 * 1024;

    private static final MethodHandle MKFIFO =
            Libc.bind("mkfifo", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT));

    private final Fd fd;

    private Fifo(Fd fd) {
        this.fd = fd;
    }

    /** Makes a new one with mode 0600 and opens it. */
    public static Fifo create(Path path) {
        try (var arena = Arena.ofConfined()) {
            var state = Libc.state(arena);
            int result =
                    (int)
                            MKFIFO.invokeExact(
                                    state, arena.allocateFrom(path.toString()), OWNER_ONLY);
            if (result < 0) {
                throw new LinuxException("mkfifo of " + path.getFileName(), Libc.errno(state));
            }
        } catch (LinuxException e) {
            throw e;
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
        return open(path);
    }

    /** Opens one that is there. */
    public static Fifo open(Path path) {
        return new Fifo(Fd.open(path, Fd.O_RDWR | O_NONBLOCK));
    }

    /** Takes out what is in it now. */
    public synchronized byte[] drain() {
        var taken = new ByteArrayOutputStream();
        try (var arena = Arena.ofConfined()) {
            var state = Libc.state(arena);
            var chunk = arena.allocate(CHUNK_BYTES);
            while (taken.size() < LIMIT_BYTES) {
                long count =
                        (long) Libc.READ.invokeExact(state, fd.number(), chunk, (long) CHUNK_BYTES);
                if (count < 0 && Libc.errno(state) != Errno.EAGAIN) {
                    throw new LinuxException("read of a pipe", Libc.errno(state));
                }
                if (count <= 0) {
                    break;
                }
                taken.writeBytes(chunk.asSlice(0, count).toArray(JAVA_BYTE));
            }
            return taken.toByteArray();
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
