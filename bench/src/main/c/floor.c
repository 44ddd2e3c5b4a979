// The VMM floor: what a resume costs at least on this machine, with none of Wrenn around it. Starts
// QEMU on a saved state, serves its memory from a plain file, installs the working set between
// faults, and waits until the guest agent answers over TCP.
//
//   floor FOLDER NETNS ADDRESS PORT MEMORY CLUSTERS STATE SHIM QEMU ARGUMENT...
//
// CLUSTERS is a text file of 64 KiB cluster numbers, in the order of their first touch. QEMU gets
// its monitor as descriptor 3 and the state as descriptor 4. Prints
// {"running_nanos":N,"ready_nanos":N,"faults":N,"p50_nanos":N,"p99_nanos":N}, counted from just
// before QEMU is started.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul
#define CLUSTER 65536ul
#define WINDOW 64
#define MAX_CLUSTERS (1 << 20)
#define MAX_TIMES (1 << 20)
#define LIMIT_SECONDS 60

static pid_t qemu = -1;
static const char *memory;
static size_t memory_size;
static long clusters[MAX_CLUSTERS];
static long cluster_count;
static long times[MAX_TIMES];
static atomic_long faults;

static void die(const char *what) {
  perror(what);
  if (qemu > 0) kill(qemu, SIGKILL);
  exit(1);
}

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000l + t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
  long x = *(const long *)a, y = *(const long *)b;
  return x < y ? -1 : x > y;
}

static int unix_listener(const char *folder, const char *name, struct sockaddr_un *a) {
  int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  a->sun_family = AF_UNIX;
  snprintf(a->sun_path, sizeof a->sun_path, "%s/%s", folder, name);
  unlink(a->sun_path);
  if (s < 0 || bind(s, (void *)a, sizeof *a) || listen(s, 1)) die(a->sun_path);
  return s;
}

// --- memory

static void install(int u, uint64_t base, uint64_t from, uint64_t to, uint64_t asked) {
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
    } else if (errno == ESRCH) {
      return; // the VMM has ended
    } else if (errno != EAGAIN) {
      die("UFFDIO_COPY");
    }
  }
  if (met) {
    struct uffdio_range r = {base + asked, PAGE};
    ioctl(u, UFFDIO_WAKE, &r);
  }
}

static void *serve(void *arg) {
  int channel = accept(*(int *)arg, 0, 0), u = -1;
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
  if (size > memory_size) size = memory_size;

  long next = 0;
  struct pollfd p[2] = {{u, POLLIN, 0}, {channel, POLLIN, 0}};
  while (poll(p, 2, next < cluster_count ? 0 : -1) >= 0 && !p[1].revents) {
    struct uffd_msg messages[64];
    ssize_t bytes = p[0].revents ? read(u, messages, sizeof messages) : 0;
    for (int i = 0; i < bytes / (int)sizeof *messages; i++) {
      if (messages[i].event != UFFD_EVENT_PAGEFAULT) continue;
      long start = now();
      uint64_t asked = (messages[i].arg.pagefault.address & ~(PAGE - 1)) - base;
      uint64_t from = asked & ~(CLUSTER - 1), to = from + CLUSTER < size ? from + CLUSTER : size;
      install(u, base, from, to, asked);
      long count = atomic_fetch_add(&faults, 1);
      if (count < MAX_TIMES) times[count] = now() - start;
    }
    if (bytes <= 0 && next < cluster_count) {
      uint64_t from = clusters[next] * CLUSTER, to = from + CLUSTER;
      for (next++; next < cluster_count && (uint64_t)clusters[next] * CLUSTER == to && to - from < 2 * CLUSTER; next++) {
        to += CLUSTER;
      }
      if (to > size) to = size;
      install(u, base, from, to, from);
    }
  }
  return 0;
}

static void read_clusters(const char *path) {
  FILE *f = fopen(path, "r");
  if (!f) die(path);
  while (cluster_count < MAX_CLUSTERS && fscanf(f, "%ld", &clusters[cluster_count]) == 1) cluster_count++;
  fclose(f);
  for (long i = 0; i < cluster_count; i += WINDOW) {
    qsort(clusters + i, cluster_count - i < WINDOW ? cluster_count - i : WINDOW, sizeof *clusters, by_value);
  }
}

static void map_memory(const char *path) {
  int f = open(path, O_RDONLY | O_CLOEXEC);
  struct stat st;
  if (f < 0 || fstat(f, &st)) die(path);
  memory_size = st.st_size;
  memory = mmap(0, memory_size, PROT_READ, MAP_SHARED | MAP_POPULATE, f, 0);
  if (memory == MAP_FAILED) die("mmap");
}

// --- monitor

static char said[1 << 16];
static size_t said_length;

// Reads what QEMU says until it says that, and forgets it up to there.
static void await(int monitor, const char *text) {
  char *at;
  while (!(at = strstr(said, text))) {
    if (said_length > sizeof said - 2) said_length = 0;
    ssize_t n = read(monitor, said + said_length, sizeof said - 1 - said_length);
    if (n <= 0) die("QEMU has ended");
    said_length += n;
    said[said_length] = 0;
    if (strstr(said, "\"error\"") || strstr(said, "\"failed\"")) {
      fprintf(stderr, "QEMU says %s\n", said);
      die("QEMU refuses");
    }
  }
  at += strlen(text);
  said_length -= at - said;
  memmove(said, at, said_length + 1);
}

static void say(int monitor, const char *text) {
  if (write(monitor, text, strlen(text)) != (ssize_t)strlen(text)) die("write to QEMU");
}

static void start(int listener, int state, const char *netns, const char *socket, const char *shim, char **arguments) {
  qemu = fork();
  if (qemu < 0) die("fork");
  if (qemu > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int ns = open(netns, O_RDONLY | O_CLOEXEC);
  if (ns < 0 || setns(ns, CLONE_NEWNET)) _exit(90);
  int l = fcntl(listener, F_DUPFD, 20), s = fcntl(state, F_DUPFD, 20);
  if (dup2(l, 3) < 0 || dup2(s, 4) < 0) _exit(91);
  setenv("LD_PRELOAD", shim, 1);
  setenv("WRENN_UFFD_SOCKET", socket, 1);
  setenv("WRENN_UFFD_MODE", "lazy", 1);
  dup2(2, 1); // our own standard output is the result
  execv(arguments[0], arguments);
  _exit(92);
}

// Whether the guest agent answers GET /health with success.
static int is_healthy(const char *address, int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, address, &a.sin_addr) != 1) die("address");
  int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  struct timeval limit = {.tv_sec = 1};
  setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const char request[] = "GET /health HTTP/1.1\r\nHost: guest\r\nConnection: close\r\n\r\n";
  char answer[64] = {0};
  int ok = connect(s, (void *)&a, sizeof a) == 0 && send(s, request, sizeof request - 1, MSG_NOSIGNAL) > 0 &&
           recv(s, answer, sizeof answer - 1, MSG_WAITALL) > 12 && !strncmp(answer, "HTTP/1.1 2", 10);
  close(s);
  return ok;
}

int main(int argc, char **argv) {
  if (argc < 10) return 2;
  const char *folder = argv[1], *netns = argv[2], *address = argv[3];
  map_memory(argv[5]);
  read_clusters(argv[6]);
  int state = open(argv[7], O_RDONLY | O_CLOEXEC);
  if (state < 0) die(argv[7]);
  struct sockaddr_un pages, monitor_address;
  int page_listener = unix_listener(folder, "pages.sock", &pages);
  int monitor_listener = unix_listener(folder, "qmp.sock", &monitor_address);
  int monitor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(monitor, (void *)&monitor_address, sizeof monitor_address)) die("connect");
  pthread_t server;
  if (pthread_create(&server, 0, serve, &page_listener)) die("pthread_create");

  long began = now();
  start(monitor_listener, state, netns, pages.sun_path, argv[8], argv + 9);
  say(monitor, "{\"execute\":\"qmp_capabilities\"}\n"
               "{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":["
               "{\"capability\":\"x-ignore-shared\",\"state\":true},"
               "{\"capability\":\"events\",\"state\":true}]}}\n"
               "{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":\"fd:4\"}}\n");
  await(monitor, "\"completed\"");
  say(monitor, "{\"execute\":\"cont\"}\n");
  await(monitor, "\"RESUME\"");
  long running = now() - began;
  while (!is_healthy(address, atoi(argv[4]))) {
    if (now() - began > LIMIT_SECONDS * 1000000000l) die("the guest does not answer");
  }
  long ready = now() - began;
  long count = atomic_load(&faults);

  kill(qemu, SIGKILL);
  waitpid(qemu, 0, 0);
  unlink(pages.sun_path);
  unlink(monitor_address.sun_path);
  long kept = count < MAX_TIMES ? count : MAX_TIMES;
  qsort(times, kept, sizeof *times, by_value);
  printf("{\"running_nanos\":%ld,\"ready_nanos\":%ld,\"faults\":%ld,\"p50_nanos\":%ld,\"p99_nanos\":%ld}\n", running,
         ready, count, kept ? times[kept / 2] : 0, kept ? times[kept * 99 / 100] : 0);
  return 0;
}
