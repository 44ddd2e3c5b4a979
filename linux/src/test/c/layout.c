// Prints what the C headers of this machine say; LayoutTest compares it with the Java constants.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef PAGEMAP_SCAN // headers before Linux 6.7; text of include/uapi/linux/fs.h
struct page_region {
  uint64_t start, end, categories;
};
struct pm_scan_arg {
  uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
  uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_WRITTEN (1 << 1)
#define PAGE_IS_PRESENT (1 << 3)
#define PAGE_IS_SWAPPED (1 << 4)
#define PAGE_IS_PFNZERO (1 << 5)
#define PM_SCAN_CHECK_WPASYNC (1 << 1)
#endif

#define VALUE(name, value) printf("%s %llu\n", name, (unsigned long long)(value))
#define SIZE(type) VALUE("sizeof " #type, sizeof(struct type))
#define OFFSET(type, field) VALUE(#type "." #field, offsetof(struct type, field))
#define CONSTANT(name) VALUE(#name, name)

int main(void) {
  SIZE(uffdio_copy);
  OFFSET(uffdio_copy, dst);
  OFFSET(uffdio_copy, src);
  OFFSET(uffdio_copy, len);
  OFFSET(uffdio_copy, mode);
  OFFSET(uffdio_copy, copy);
  SIZE(uffdio_zeropage);
  OFFSET(uffdio_zeropage, mode);
  OFFSET(uffdio_zeropage, zeropage);
  SIZE(uffdio_range);
  OFFSET(uffdio_range, len);
  SIZE(uffdio_api);
  OFFSET(uffdio_api, features);
  SIZE(uffdio_register);
  OFFSET(uffdio_register, mode);
  SIZE(uffd_msg);
  OFFSET(uffd_msg, arg.pagefault.address);
  OFFSET(uffd_msg, arg.remove.start);
  OFFSET(uffd_msg, arg.remove.end);
  CONSTANT(UFFDIO_COPY);
  CONSTANT(UFFDIO_ZEROPAGE);
  CONSTANT(UFFDIO_WAKE);
  CONSTANT(UFFDIO_API);
  CONSTANT(UFFDIO_REGISTER);
  CONSTANT(UFFDIO_COPY_MODE_WP);
  CONSTANT(UFFDIO_REGISTER_MODE_MISSING);
  CONSTANT(UFFDIO_REGISTER_MODE_WP);
  CONSTANT(UFFD_EVENT_PAGEFAULT);
  CONSTANT(UFFD_EVENT_REMOVE);
  SIZE(pm_scan_arg);
  OFFSET(pm_scan_arg, walk_end);
  OFFSET(pm_scan_arg, vec);
  OFFSET(pm_scan_arg, category_inverted);
  OFFSET(pm_scan_arg, category_anyof_mask);
  OFFSET(pm_scan_arg, return_mask);
  SIZE(page_region);
  OFFSET(page_region, categories);
  CONSTANT(PAGEMAP_SCAN);
  CONSTANT(PAGE_IS_WRITTEN);
  CONSTANT(PAGE_IS_PRESENT);
  CONSTANT(PAGE_IS_SWAPPED);
  CONSTANT(PAGE_IS_PFNZERO);
  CONSTANT(PM_SCAN_CHECK_WPASYNC);
  CONSTANT(FICLONE);
  SIZE(fiemap);
  OFFSET(fiemap, fm_start);
  OFFSET(fiemap, fm_length);
  OFFSET(fiemap, fm_flags);
  OFFSET(fiemap, fm_mapped_extents);
  OFFSET(fiemap, fm_extent_count);
  SIZE(fiemap_extent);
  OFFSET(fiemap_extent, fe_logical);
  OFFSET(fiemap_extent, fe_physical);
  OFFSET(fiemap_extent, fe_length);
  OFFSET(fiemap_extent, fe_flags);
  CONSTANT(FS_IOC_FIEMAP);
  CONSTANT(FIEMAP_FLAG_SYNC);
  CONSTANT(FIEMAP_EXTENT_LAST);
  CONSTANT(FIEMAP_EXTENT_UNWRITTEN);
  VALUE("FIEMAP_EXTENT flags of vague places",
        FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_DATA_ENCRYPTED |
            FIEMAP_EXTENT_NOT_ALIGNED | FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_DATA_TAIL);
  CONSTANT(SEEK_DATA);
  CONSTANT(SEEK_HOLE);
  CONSTANT(O_NONBLOCK);
  CONSTANT(MS_NOSUID);
  CONSTANT(MS_NODEV);
  CONSTANT(MS_NOEXEC);
  CONSTANT(MS_REMOUNT);
  CONSTANT(MS_BIND);
  CONSTANT(MS_REC);
  CONSTANT(MS_PRIVATE);
  SIZE(timespec);
  OFFSET(timespec, tv_nsec);
  SIZE(pollfd);
  OFFSET(pollfd, events);
  OFFSET(pollfd, revents);
  CONSTANT(POLLIN);
  CONSTANT(POLLERR);
  CONSTANT(POLLHUP);
  CONSTANT(POLLNVAL);
  SIZE(msghdr);
  OFFSET(msghdr, msg_iov);
  OFFSET(msghdr, msg_iovlen);
  OFFSET(msghdr, msg_control);
  OFFSET(msghdr, msg_controllen);
  SIZE(iovec);
  SIZE(ucred);
  SIZE(sockaddr_un);
  OFFSET(sockaddr_un, sun_path);
  SIZE(cmsghdr);
  OFFSET(cmsghdr, cmsg_level);
  OFFSET(cmsghdr, cmsg_type);
  VALUE("CMSG_SPACE of one descriptor", CMSG_SPACE(sizeof(int)));
  VALUE("CMSG_LEN of one descriptor", CMSG_LEN(sizeof(int)));
  VALUE("sizeof siginfo_t", sizeof(siginfo_t));
  VALUE("sizeof sigset_t", sizeof(sigset_t));
  VALUE("sizeof posix_spawn_file_actions_t", sizeof(posix_spawn_file_actions_t));
  VALUE("sizeof posix_spawnattr_t", sizeof(posix_spawnattr_t));
  CONSTANT(O_CREAT);
  CONSTANT(O_TRUNC);
  CONSTANT(O_APPEND);
  CONSTANT(O_RDWR);
  CONSTANT(O_WRONLY);
  CONSTANT(SYS_userfaultfd);
  return 0;
}
