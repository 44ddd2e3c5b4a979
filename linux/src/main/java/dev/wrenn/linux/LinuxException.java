package dev.wrenn.linux;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;

/** A Linux call failed. */
public final class LinuxException extends WrennException {
    private static final long serialVersionUID = 1L;

    private final int errno;

    /**
     * @param call name of the call, with what it was about
     * @param errno error number it left
     */
    public LinuxException(String call, int errno) {
        super(kindOf(errno), call + " failed with errno " + errno);
        this.errno = errno;
    }

    /** The error number, see {@link Errno}. */
    public int errno() {
        return errno;
    }

    private static Kind kindOf(int errno) {
        return switch (errno) {
            case Errno.ENOSPC, Errno.ENOMEM, Errno.EMFILE -> Kind.EXHAUSTED;
            case Errno.ENOENT, Errno.ESRCH -> Kind.ABSENT;
            default -> Kind.UNAVAILABLE;
        };
    }
}
