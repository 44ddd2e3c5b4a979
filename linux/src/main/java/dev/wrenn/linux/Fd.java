package dev.wrenn.linux;

import dev.wrenn.base.Resource;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;

/** An open file descriptor; owned by whoever holds this object. */
public final class Fd implements Resource {
    /** Flags of open(2), x86-64 (Linux include/uapi/asm-generic/fcntl.h). */
    public static final int O_RDONLY = 0;

    /** Open for reading and writing. */
    public static final int O_RDWR = 2;

    /** Open for writing. */
    public static final int O_WRONLY = 1;

    /** Create if it does not exist. */
    public static final int O_CREAT = 0x40;

    /** Empty it. */
    public static final int O_TRUNC = 0x200;

    /** Append. */
    public static final int O_APPEND = 0x400;

    private static final int O_CLOEXEC = 0x80000;
    private static final int OWNER_ONLY = 0600;

    private final int number;
    private final AtomicBoolean closed = new AtomicBoolean();

    Fd(int number) {
        this.number = number;
    }

    /** Opens a file, close-on-exec, new files with mode 0600 (open(2)). */
    public static Fd open(Path path, int flags) {
        try (var arena = Arena.ofConfined()) {
            var state = Libc.state(arena);
            int fd =
                    (int)
                            Libc.OPEN.invokeExact(
                                    state,
                                    arena.allocateFrom(path.toString()),
                                    flags | O_CLOEXEC,
                                    OWNER_ONLY);
            if (fd < 0) {
                throw new LinuxException("open of " + path.getFileName(), Libc.errno(state));
            }
            return new Fd(fd);
        } catch (LinuxException e) {
            throw e;
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }

    /** The number, for a call that is made now. */
    public int number() {
        if (closed.get()) {
            throw new IllegalStateException("file descriptor " + number + " is closed");
        }
        return number;
    }

    /** Closes it once (close(2)); errors of close are not actionable and the number is gone. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            try (var arena = Arena.ofConfined()) {
                int _ = (int) Libc.CLOSE.invokeExact(Libc.state(arena), number);
            } catch (Throwable e) {
                throw Libc.impossible(e);
            }
        }
    }
}
