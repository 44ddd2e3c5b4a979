// A page server in C, the yardstick: the 64 KiB around each fault from a plain memory file.
//   handler SOCKET MEMORY_FILE    prints "listening", and when the VMM has gone
//   {"faults":N,"p50_nanos":N,"p99_nanos":N,"max_nanos":N}
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul
#define CLUSTER 65536ul
#define MAX_TIMES (1 << 20)

static long times[MAX_TIMES];
static long faults;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000l + t.tv_nsec;
}

static void install(int u, uint64_t base, const char *memory, uint64_t from, uint64_t to, uint64_t asked) {
  int met = 0;
  while (from < to) {
    struct uffdio_copy c = {.dst = base + from,
                            .src = (uintptr_t)memory + from,
                            .len = to - from,
                            .mode = UFFDIO_COPY_MODE_WP};
    if (ioctl(u, UFFDIO_COPY, &c) == 0) break;
    if (c.copy > 0) {
      from += c.copy;
    } else if (errno == EEXIST) {
      from += PAGE, met = 1;
    } else if (errno != EAGAIN) {
      die("UFFDIO_COPY");
    }
  }
  if (met) {
    struct uffdio_range r = {base + asked, PAGE};
    ioctl(u, UFFDIO_WAKE, &r);
  }
}

static int by_value(const void *a, const void *b) {
  long x = *(const long *)a, y = *(const long *)b;
  return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int s = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  strncpy(a.sun_path, argv[1], sizeof a.sun_path - 1);
  if (bind(s, (void *)&a, sizeof a) || listen(s, 1)) die("listen");
  int f = open(argv[2], O_RDONLY);
  struct stat st;
  if (f < 0 || fstat(f, &st)) die(argv[2]);
  const char *memory = mmap(0, st.st_size, PROT_READ, MAP_PRIVATE, f, 0);
  if (memory == MAP_FAILED) die("mmap");
  printf("listening\n");
  fflush(stdout);

  int channel = accept(s, 0, 0), u = -1;
  char json[4096];
  union {
    struct cmsghdr h;
    char b[CMSG_SPACE(sizeof(int))];
  } c;
  struct iovec iov = {json, sizeof json - 1};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c.b};
  ssize_t n = recvmsg(channel, &m, 0);
  if (n <= 0) die("recvmsg");
  json[n] = 0;
  memcpy(&u, CMSG_DATA(&c.h), sizeof u);
  uint64_t base, size;
  if (sscanf(json, "[{\"base_host_virt_addr\":%lu,\"size\":%lu", &base, &size) != 2) die("handshake");

  struct pollfd p[2] = {{u, POLLIN, 0}, {channel, POLLIN, 0}};
  while (poll(p, 2, -1) >= 0 && !p[1].revents) {
    struct uffd_msg messages[64];
    ssize_t bytes = read(u, messages, sizeof messages);
    for (int i = 0; i < bytes / (int)sizeof *messages; i++) {
      if (messages[i].event != UFFD_EVENT_PAGEFAULT) continue;
      long start = now();
      uint64_t asked = (messages[i].arg.pagefault.address & ~(PAGE - 1)) - base;
      uint64_t from = asked & ~(CLUSTER - 1), to = from + CLUSTER < size ? from + CLUSTER : size;
      install(u, base, memory, from, to, asked);
      if (faults < MAX_TIMES) times[faults] = now() - start;
      faults++;
    }
  }
  long kept = faults < MAX_TIMES ? faults : MAX_TIMES;
  qsort(times, kept, sizeof *times, by_value);
  printf("{\"faults\":%ld,\"p50_nanos\":%ld,\"p99_nanos\":%ld,\"max_nanos\":%ld}\n", faults,
         kept ? times[kept / 2] : 0, kept ? times[kept * 99 / 100] : 0, kept ? times[kept - 1] : 0);
  return 0;
}
