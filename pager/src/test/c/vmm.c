// Stands in for a VMM: maps guest memory, hands it to a pager as Firecracker does, and then touches
// it as told on standard input. Each command is answered with one line.
//
//   vmm SOCKET MODE REGION...    MODE: lazy, untracked (no write protection), booted, file (sends a
//                                descriptor that is no userfaultfd), silent (connects, says nothing)
//                                REGION: PAGES:FIRST_GUEST_PAGE
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

// Linux 6.7 include/uapi/linux/userfaultfd.h; older headers lack them.
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

#define PAGE 4096
#define MAX_REGIONS 8
#define MAX_THREADS 16

struct region {
  unsigned char *base;
  long pages, first;
};

static struct region regions[MAX_REGIONS];
static int region_count;
static long page_count;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static unsigned char *page_at(long page) {
  for (int i = 0; i < region_count; i++) {
    if (page >= regions[i].first && page < regions[i].first + regions[i].pages) {
      return regions[i].base + (page - regions[i].first) * PAGE;
    }
  }
  fprintf(stderr, "page %ld is in no region\n", page);
  exit(1);
}

static int make_uffd(int tracked) {
  int u = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  if (u < 0) die("userfaultfd");
  struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_EVENT_REMOVE};
  if (tracked) {
    api.features |= UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_ASYNC;
  }
  if (ioctl(u, UFFDIO_API, &api)) die("UFFDIO_API");
  for (int i = 0; i < region_count; i++) {
    struct uffdio_register r = {
        .range = {(uintptr_t)regions[i].base, regions[i].pages * PAGE},
        .mode = UFFDIO_REGISTER_MODE_MISSING | (tracked ? UFFDIO_REGISTER_MODE_WP : 0)};
    if (ioctl(u, UFFDIO_REGISTER, &r)) die("UFFDIO_REGISTER");
  }
  return u;
}

static void handshake(const char *path, const char *mode) {
  char json[2048];
  int n = snprintf(json, sizeof json, "[");
  for (int i = 0; i < region_count; i++) {
    n += snprintf(json + n, sizeof json - n,
                  "%s{\"base_host_virt_addr\":%lu,\"size\":%ld,\"offset\":%ld,"
                  "\"page_size\":4096,\"page_size_kib\":4096}",
                  i ? "," : "", (unsigned long)regions[i].base, regions[i].pages * PAGE,
                  regions[i].first * PAGE);
  }
  n += snprintf(json + n, sizeof json - n, "]");
  int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  strncpy(a.sun_path, path, sizeof a.sun_path - 1);
  if (connect(s, (void *)&a, sizeof a)) die("connect");
  if (!strcmp(mode, "silent")) return;
  int fd = -1;
  if (!strcmp(mode, "lazy")) fd = make_uffd(1);
  if (!strcmp(mode, "untracked")) fd = make_uffd(0);
  if (!strcmp(mode, "file")) fd = open("/dev/zero", O_RDONLY);
  struct iovec iov = {json, n};
  union {
    struct cmsghdr h;
    char b[CMSG_SPACE(sizeof(int))];
  } c = {0};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
  if (fd >= 0) {
    m.msg_control = &c;
    m.msg_controllen = sizeof c.b;
    c.h.cmsg_level = SOL_SOCKET;
    c.h.cmsg_type = SCM_RIGHTS;
    c.h.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&c.h), &fd, sizeof fd);
  }
  if (sendmsg(s, &m, 0) != n) die("sendmsg");
}

// Copies pages to a file from user mode, as a guest would read them.
static void dump(long first, long count, const char *path) {
  int f = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (f < 0) die(path);
  unsigned char copy[PAGE];
  for (long p = first; p < first + count; p++) {
    memcpy(copy, page_at(p), PAGE);
    if (write(f, copy, PAGE) != PAGE) die("write");
  }
  close(f);
}

struct job {
  pthread_t thread;
  long number, first, end, seed, failures;
};

static uint64_t next(uint64_t *x) { // xorshift64
  *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
  return *x;
}

// Touches every page in an order of its own.
static void *storm(void *arg) {
  struct job *j = arg;
  uint64_t x = 88172645463325252ull + j->seed;
  for (long i = 0; i < page_count * 2; i++) (void)*(volatile unsigned char *)page_at(next(&x) % page_count);
  for (long p = 0; p < page_count; p++) (void)*(volatile unsigned char *)page_at(p);
  return 0;
}

// Gives pages of its own back: from then on they must read as zero until it writes them.
static void *churn(void *arg) {
  struct job *j = arg;
  uint64_t x = 88172645463325252ull + j->seed;
  for (int round = 0; round < 2000; round++) {
    long p = j->first + next(&x) % (j->end - j->first);
    volatile unsigned char *page = page_at(p);
    if (next(&x) % 4 == 0) (void)page[next(&x) % PAGE];
    if (next(&x) % 4 == 0) page[1] = 7;
    if (madvise((void *)page, PAGE, MADV_DONTNEED)) j->failures += 1000000;
    for (int i = 0; i < PAGE; i += 512) j->failures += page[i] != 0;
    if (next(&x) % 2) {
      page[5] = 9;
      j->failures += page[5] != 9;
    }
  }
  return 0;
}

static pthread_barrier_t barrier;

// Each 64 KiB is touched by one half of the threads for the first time in the moment in which the
// others give pages of it back.
static void *race(void *arg) {
  struct job *j = arg;
  for (long cluster = 0; cluster + 16 <= page_count; cluster += 16) {
    volatile unsigned char *page = page_at(cluster + j->number);
    pthread_barrier_wait(&barrier);
    if (j->number % 2) {
      (void)page[0];
    } else {
      if (madvise((void *)page, PAGE, MADV_DONTNEED)) j->failures += 1000000;
      for (int i = 0; i < PAGE; i += 512) j->failures += page[i] != 0;
    }
    pthread_barrier_wait(&barrier);
    if (j->number % 2 == 0) j->failures += page[0] != 0;
  }
  return 0;
}

static void run_jobs(void *(*body)(void *), int threads) {
  struct job jobs[MAX_THREADS] = {0};
  long failures = 0;
  pthread_barrier_init(&barrier, 0, threads);
  for (int i = 0; i < threads; i++) {
    jobs[i].number = i;
    jobs[i].seed = i * 7919;
    jobs[i].first = page_count * i / threads;
    jobs[i].end = page_count * (i + 1) / threads;
    if (pthread_create(&jobs[i].thread, 0, body, &jobs[i])) die("pthread_create");
  }
  for (int i = 0; i < threads; i++) pthread_join(jobs[i].thread, 0), failures += jobs[i].failures;
  printf("%ld\n", failures);
}

static struct job waiting;

static void *touch_one(void *arg) {
  struct job *j = arg;
  j->failures = *(volatile unsigned char *)page_at(j->first);
  return 0;
}

int main(int argc, char **argv) {
  for (int i = 3; i < argc; i++) {
    struct region *r = &regions[region_count++];
    if (sscanf(argv[i], "%ld:%ld", &r->pages, &r->first) != 2) die("region");
    r->base = mmap(0, r->pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (r->base == MAP_FAILED) die("mmap");
    page_count += r->pages;
  }
  handshake(argv[1], argv[2]);
  printf("ready\n");
  fflush(stdout);
  char line[4096], path[4000];
  long a, b;
  while (fgets(line, sizeof line, stdin)) {
    if (sscanf(line, "dump %ld %ld %3999s", &a, &b, path) == 3) {
      dump(a, b, path);
      printf("ok\n");
    } else if (sscanf(line, "read %ld", &a) == 1) {
      printf("%d\n", *(volatile unsigned char *)page_at(a));
    } else if (sscanf(line, "fill %ld %ld", &a, &b) == 2) {
      memset(page_at(a), (int)b, PAGE);
      printf("ok\n");
    } else if (sscanf(line, "remove %ld %ld", &a, &b) == 2) {
      printf("%s\n", madvise(page_at(a), b * PAGE, MADV_DONTNEED) ? strerror(errno) : "ok");
    } else if (sscanf(line, "free %ld %ld", &a, &b) == 2) {
      printf("%s\n", madvise(page_at(a), b * PAGE, MADV_FREE) ? strerror(errno) : "ok");
    } else if (sscanf(line, "storm %ld", &a) == 1) {
      run_jobs(storm, a);
    } else if (sscanf(line, "churn %ld", &a) == 1) {
      run_jobs(churn, a);
    } else if (sscanf(line, "race %ld", &a) == 1) {
      run_jobs(race, a);
    } else if (sscanf(line, "wait %ld", &a) == 1) { // touches a page on a thread that may wait long
      waiting.first = a;
      if (pthread_create(&waiting.thread, 0, touch_one, &waiting)) die("pthread_create");
      printf("ok\n");
    } else if (!strcmp(line, "join\n")) {
      pthread_join(waiting.thread, 0);
      printf("%ld\n", waiting.failures);
    } else if (sscanf(line, "unmap %ld %ld", &a, &b) == 2) {
      printf("%s\n", munmap(page_at(a), b * PAGE) ? strerror(errno) : "ok");
    } else {
      printf("unknown\n");
    }
    fflush(stdout);
  }
  return 0;
}
