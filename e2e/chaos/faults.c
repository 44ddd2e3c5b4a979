/*
 * Makes file operations of a process fail, for tests: preloaded into the server and its VMMs.
 *
 * A control file, named by CHAOS_FAULTS and mapped by all of them, says what fails: of the operations
 * that the wanted kinds cover on files below the wanted folders, `after` pass and the next `length`
 * fail, as decided by `how`. Everything that fails is written to a log beside it, a line each.
 *
 * What the JDK calls is found in three ways: by the linker, by dlsym(3) in the whole process, and
 * by dlsym in the C library itself (java.lang.foreign); so dlsym is replaced as well.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The control file; faults.py writes the same layout. */
struct control {
    uint32_t armed;        /* 0: nothing fails */
    uint32_t kinds;        /* bits of enum kind */
    uint32_t how;          /* an errno, or SHORT_WRITE */
    uint32_t after;        /* this many pass first */
    uint32_t length;       /* then this many fail */
    uint32_t padding;
    _Atomic uint64_t seen; /* operations that matched since it was armed */
    _Atomic uint64_t failed;
    char folders[4000];    /* absolute, each ends with a line feed */
};

enum kind { OPEN = 1, WRITE = 2, SYNC = 4, NAME = 8, REMOVE = 16, READ = 32 };

#define SHORT_WRITE 10000 /* half is written, then there is no room */

static struct control *control;
static int log_fd = -1;

static void begin(void) __attribute__((constructor));

static void begin(void) {
    const char *name = getenv("CHAOS_FAULTS");
    if (name == NULL) return;
    int fd = syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (mapped == MAP_FAILED) return;
    char log[PATH_MAX];
    snprintf(log, sizeof log, "%s.log", name);
    log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CLOEXEC);
    control = mapped;
}

/* ---- what is to fail */

static int is_below(const char *path) {
    for (const char *folder = control->folders; *folder;) {
        const char *end = strchr(folder, '\n');
        if (end == NULL) return 0;
        if (strncmp(path, folder, end - folder) == 0 && path[end - folder] == '/') return 1;
        folder = end + 1;
    }
    return 0;
}

static int name_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return 1;
}

static int absolute(int folder, const char *name, char *path) {
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return 1;
    }
    char base[PATH_MAX];
    if (folder == AT_FDCWD ? getcwd(base, sizeof base) == NULL : !name_of(folder, base)) return 0;
    return snprintf(path, PATH_MAX, "%s/%s", base, name) < PATH_MAX;
}

/* The errno with which an operation on that path fails now, or 0. */
static int decide(enum kind kind, const char *operation, const char *path) {
    if (!is_below(path)) return 0;
    uint64_t number = atomic_fetch_add(&control->seen, 1);
    if (number < control->after || number - control->after >= control->length) return 0;
    int how = control->how;
    if (how == SHORT_WRITE && kind != WRITE) return 0;
    atomic_fetch_add(&control->failed, 1);
    char line[PATH_MAX + 100];
    int length = snprintf(line, sizeof line, "%d %s %s %d\n", (int)getpid(), operation, path, how);
    syscall(SYS_write, log_fd, line, length);
    return how;
}

static int wanted(enum kind kind) {
    return control != NULL && control->armed && (control->kinds & kind);
}

static int of_fd(enum kind kind, const char *operation, int fd) {
    char path[PATH_MAX];
    if (!wanted(kind)) return 0;
    int before = errno;
    int how = name_of(fd, path) ? decide(kind, operation, path) : 0;
    errno = before;
    return how;
}

static int of_path(enum kind kind, const char *operation, int folder, const char *name) {
    char path[PATH_MAX];
    if (!wanted(kind)) return 0;
    int before = errno;
    int how = absolute(folder, name, path) ? decide(kind, operation, path) : 0;
    errno = before;
    return how;
}

/* ---- the operations */

/* The C library's dlsym, which cannot be asked for itself. */
static void *look_up(void *handle, const char *name) {
    static void *(*find)(void *, const char *);
    if (find == NULL) {
        find = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
        if (find == NULL) find = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    }
    return find(handle, name);
}

#define REAL(name) \
    static __typeof__(&name) next; \
    if (next == NULL) next = look_up(RTLD_NEXT, #name)

#define FAIL(how) \
    do { \
        int number = how; \
        if (number != 0) { \
            errno = number == SHORT_WRITE ? ENOSPC : number; \
            return -1; \
        } \
    } while (0)

static int is_for_writing(int flags) {
    return (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT);
}

#define OPENS(name, folder, ...) \
    { \
        REAL(name); \
        mode_t mode = 0; \
        if (flags & (O_CREAT | __O_TMPFILE)) { \
            va_list more; \
            va_start(more, flags); \
            mode = va_arg(more, mode_t); \
            va_end(more); \
        } \
        FAIL(of_path(is_for_writing(flags) ? OPEN : READ, #name, folder, path)); \
        return next(__VA_ARGS__, mode); \
    }

int open(const char *path, int flags, ...) OPENS(open, AT_FDCWD, path, flags)
int open64(const char *path, int flags, ...) OPENS(open64, AT_FDCWD, path, flags)
int openat(int at, const char *path, int flags, ...) OPENS(openat, at, at, path, flags)
int openat64(int at, const char *path, int flags, ...) OPENS(openat64, at, at, path, flags)

/* Writes half of it where it is told to. */
#define WRITES(name, bytes, half, whole) \
    { \
        REAL(name); \
        int how = of_fd(WRITE, #name, fd); \
        if (how == SHORT_WRITE && (bytes) > 1) return half; \
        FAIL(how); \
        return whole; \
    }

ssize_t write(int fd, const void *from, size_t count)
    WRITES(write, count, next(fd, from, count / 2), next(fd, from, count))
ssize_t pwrite(int fd, const void *from, size_t count, off_t at)
    WRITES(pwrite, count, next(fd, from, count / 2, at), next(fd, from, count, at))
ssize_t pwrite64(int fd, const void *from, size_t count, off64_t at)
    WRITES(pwrite64, count, next(fd, from, count / 2, at), next(fd, from, count, at))
ssize_t writev(int fd, const struct iovec *from, int count)
    WRITES(writev, count, next(fd, from, count / 2), next(fd, from, count))
ssize_t pwritev(int fd, const struct iovec *from, int count, off_t at)
    WRITES(pwritev, count, next(fd, from, count / 2, at), next(fd, from, count, at))
ssize_t pwritev64(int fd, const struct iovec *from, int count, off64_t at)
    WRITES(pwritev64, count, next(fd, from, count / 2, at), next(fd, from, count, at))

#define PASSES(type, name, check, parameters, ...) \
    type name parameters { \
        REAL(name); \
        FAIL(check); \
        return next(__VA_ARGS__); \
    }

PASSES(int, fallocate, of_fd(WRITE, "fallocate", fd), (int fd, int mode, off_t at, off_t size),
       fd, mode, at, size)
PASSES(int, fallocate64, of_fd(WRITE, "fallocate64", fd), (int fd, int mode, off64_t at, off64_t size),
       fd, mode, at, size)
PASSES(int, ftruncate, of_fd(WRITE, "ftruncate", fd), (int fd, off_t size), fd, size)
PASSES(int, ftruncate64, of_fd(WRITE, "ftruncate64", fd), (int fd, off64_t size), fd, size)
PASSES(ssize_t, sendfile, of_fd(WRITE, "sendfile", to), (int to, int from, off_t *at, size_t count),
       to, from, at, count)
PASSES(ssize_t, sendfile64, of_fd(WRITE, "sendfile64", to),
       (int to, int from, off64_t *at, size_t count), to, from, at, count)
PASSES(ssize_t, copy_file_range, of_fd(WRITE, "copy_file_range", to),
       (int from, off64_t *from_at, int to, off64_t *to_at, size_t count, unsigned flags),
       from, from_at, to, to_at, count, flags)
PASSES(int, fsync, of_fd(SYNC, "fsync", fd), (int fd), fd)
PASSES(int, fdatasync, of_fd(SYNC, "fdatasync", fd), (int fd), fd)
PASSES(ssize_t, read, of_fd(READ, "read", fd), (int fd, void *to, size_t count), fd, to, count)
PASSES(ssize_t, pread, of_fd(READ, "pread", fd), (int fd, void *to, size_t count, off_t at),
       fd, to, count, at)
PASSES(ssize_t, pread64, of_fd(READ, "pread64", fd), (int fd, void *to, size_t count, off64_t at),
       fd, to, count, at)
PASSES(int, rename, of_path(NAME, "rename", AT_FDCWD, to), (const char *from, const char *to), from, to)
PASSES(int, renameat, of_path(NAME, "renameat", to_at, to),
       (int from_at, const char *from, int to_at, const char *to), from_at, from, to_at, to)
PASSES(int, renameat2, of_path(NAME, "renameat2", to_at, to),
       (int from_at, const char *from, int to_at, const char *to, unsigned flags),
       from_at, from, to_at, to, flags)
PASSES(int, link, of_path(NAME, "link", AT_FDCWD, to), (const char *from, const char *to), from, to)
PASSES(int, mkdir, of_path(NAME, "mkdir", AT_FDCWD, path), (const char *path, mode_t mode), path, mode)
PASSES(int, unlink, of_path(REMOVE, "unlink", AT_FDCWD, path), (const char *path), path)
PASSES(int, unlinkat, of_path(REMOVE, "unlinkat", at, path), (int at, const char *path, int flags),
       at, path, flags)
PASSES(int, rmdir, of_path(REMOVE, "rmdir", AT_FDCWD, path), (const char *path), path)

#define FICLONE_NUMBER 0x40049409ul

int ioctl(int fd, unsigned long request, ...) {
    REAL(ioctl);
    va_list more;
    va_start(more, request);
    void *argument = va_arg(more, void *);
    va_end(more);
    if (request == FICLONE_NUMBER) FAIL(of_fd(WRITE, "clone", fd));
    return next(fd, request, argument);
}

/* Who looks a name up is given ours, wherever it looks. */
void *dlsym(void *restrict handle, const char *restrict name) {
    static const struct {
        const char *name;
        void *function;
    } ours[] = {
        {"open", open}, {"open64", open64}, {"openat", openat}, {"openat64", openat64},
        {"write", write}, {"pwrite", pwrite}, {"pwrite64", pwrite64}, {"writev", writev},
        {"fallocate", fallocate}, {"ftruncate", ftruncate}, {"copy_file_range", copy_file_range},
        {"sendfile", sendfile}, {"sendfile64", sendfile64}, {"fsync", fsync}, {"fdatasync", fdatasync},
        {"read", read}, {"rename", rename}, {"renameat", renameat}, {"unlink", unlink},
        {"unlinkat", unlinkat}, {"ioctl", ioctl},
    };
    if (control != NULL && handle != RTLD_NEXT) {
        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
            if (strcmp(ours[i].name, name) == 0) return ours[i].function;
        }
    }
    return look_up(handle, name);
}
