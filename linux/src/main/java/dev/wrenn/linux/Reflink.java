package dev.wrenn.linux;

import java.lang.foreign.Arena;
import java.nio.file.Path;

/** Clones files by sharing their blocks (ioctl_ficlonerange(2)). */
public final class Reflink {
    /** {@code _IOW(0x94, 9, int)}, Linux include/uapi/linux/fs.h. */
    static final long FICLONE = Ioctl.iow(0x94, 9, 4);

    private Reflink() {}

    /**
     * Makes the target share all blocks of the source; the target is created or emptied.
     *
     * @return false if the file system cannot do that; the target is empty then
     * @throws LinuxException any other failure
     */
    public static boolean clone(Path from, Path to) {
        try (var source = Fd.open(from, Fd.O_RDONLY);
                var target = Fd.open(to, Fd.O_WRONLY | Fd.O_CREAT | Fd.O_TRUNC);
                var arena = Arena.ofConfined()) {
            var state = Libc.state(arena);
            int result =
                    (int)
                            Libc.IOCTL_INT.invokeExact(
                                    state, target.number(), FICLONE, source.number());
            int errno = Libc.errno(state);
            if (result == 0) {
                return true;
            }
            return switch (errno) {
                case Errno.EOPNOTSUPP, Errno.EXDEV, Errno.EINVAL, Errno.ENOTTY -> false;
                default -> throw new LinuxException("FICLONE", errno);
            };
        } catch (RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw Libc.impossible(e);
        }
    }
}
