package dev.wrenn.linux;

/** Error numbers this product decides on (Linux include/uapi/asm-generic/errno-base.h, errno.h). */
public final class Errno {
    /** No error. */
    public static final int NONE = 0;

    /** No such file or directory; for userfaultfd: the range left the address space. */
    public static final int ENOENT = 2;

    /** No such process. */
    public static final int ESRCH = 3;

    /** Interrupted by a signal. */
    public static final int EINTR = 4;

    /** No such address; for lseek: only a hole follows. */
    public static final int ENXIO = 6;

    /** Not now; for userfaultfd: the mapping is changing. */
    public static final int EAGAIN = 11;

    /** Out of memory. */
    public static final int ENOMEM = 12;

    /** It exists already; for userfaultfd: the page is there. */
    public static final int EEXIST = 17;

    /** Links between file systems are impossible. */
    public static final int EXDEV = 18;

    /** Invalid argument. */
    public static final int EINVAL = 22;

    /** Too many open files. */
    public static final int EMFILE = 24;

    /** The device cannot do that. */
    public static final int ENOTTY = 25;

    /** No room left. */
    public static final int ENOSPC = 28;

    /** Operation not supported. */
    public static final int EOPNOTSUPP = 95;

    private Errno() {}
}
