/* First process of the test guests: loads the virtio modules, opens the disk, then counts on the
 * console. Kernel arguments: test.end=poweroff|reboot|panic ends it after three ticks;
 * test.flood makes it print without end; test.fill=MIB fills memory with a pattern that it checks
 * at every tick; test.churn rewrites or zeroes a part of that memory at every tick;
 * test.spread writes each tick's block one MiB further into the disk; test.write makes a tick of
 * each MiB that is written to the disk, one after the other.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *modules[] = {"virtio_ring", "virtio",       "virtio_mmio", "virtio_blk",
                                "failover",    "net_failover", "virtio_net",  "virtio-rng"};
static char arguments[4096];

static void load(const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/modules/%s.ko", name);
    int module = open(path, O_RDONLY | O_CLOEXEC);
    if (module < 0 || syscall(SYS_finit_module, module, "", 0)) printf("cannot load %s\n", name);
    close(module);
}

static void end(const char *how) {
    if (!strcmp(how, "poweroff")) reboot(RB_POWER_OFF);
    if (!strcmp(how, "reboot")) reboot(RB_AUTOBOOT);
    int trigger = open("/proc/sysrq-trigger", O_WRONLY);
    if (write(trigger, "c", 1) != 1) printf("no panic\n");
}

/* A part of the memory is a MiB; each has a generation, and generation 0 is all zero. */
static unsigned generations[4096];

static uint64_t pattern(uint64_t index) {
    return (index + 1) * 0x9e3779b97f4a7c15u * generations[index >> 17];
}

int main(void) {
    mkdir("/dev", 0755);
    mkdir("/proc", 0755);
    mount("dev", "/dev", "devtmpfs", 0, 0);
    mount("proc", "/proc", "proc", 0, 0);
    int console = open("/dev/console", O_RDWR);
    dup2(console, 1);
    setbuf(stdout, 0);
    int file = open("/proc/cmdline", O_RDONLY);
    if (read(file, arguments, sizeof arguments - 1) < 0) printf("no arguments\n");
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) load(modules[i]);
    int disk = open("/dev/vda", O_RDWR);
    int direct = open("/dev/vda", O_RDONLY | O_DIRECT);
    if (disk < 0 || direct < 0) printf("no disk\n");
    char *fill = strstr(arguments, "test.fill="), *ending = strstr(arguments, "test.end=");
    uint64_t words = fill ? strtoul(fill + 10, 0, 10) << 17 : 0, *memory = malloc(words * 8 + 8);
    for (unsigned i = 0; i < sizeof generations / sizeof *generations; i++) generations[i] = 1;
    for (uint64_t i = 0; i < words; i++) memory[i] = pattern(i);
    if (strstr(arguments, "test.flood"))
        for (;;) printf("flood flood flood flood flood flood flood flood flood flood\n");
    if (strstr(arguments, "test.write")) {
        static char written[1 << 20];
        for (unsigned tick = 0;; tick++) {
            memset(written, tick + 1, sizeof written);
            if (pwrite(disk, written, sizeof written, (off_t)(tick % 60) << 20) < 0 || fsync(disk))
                printf("disk lost\n");
            printf("tick %u\n", tick);
        }
    }
    for (unsigned tick = 0;; tick++) {
        static char block[4096] __attribute__((aligned(4096)));
        off_t place = strstr(arguments, "test.spread") ? (off_t)(tick % 60) << 20 : 0;
        printf("tick %u\n", tick);
        if (tick && !strstr(arguments, "test.spread")) {
            /* Past the page cache: what the host's image holds. */
            static char stored[4096] __attribute__((aligned(4096)));
            if (pread(direct, stored, sizeof stored, 0) != sizeof stored ||
                memcmp(stored, block, sizeof block))
                printf("disk lost at %u\n", tick);
        }
        snprintf(block, sizeof block, "tick %u\n", tick);
        if (pwrite(disk, block, sizeof block, place) != sizeof block || fsync(disk))
            printf("disk lost\n");
        for (uint64_t i = 0; i < words; i++) {
            if (memory[i] != pattern(i)) {
                printf("memory lost at %lu\n", (unsigned long)i);
                break;
            }
        }
        if (strstr(arguments, "test.churn")) {
            uint64_t part = tick * 7 % (words >> 17);
            generations[part] = tick % 3 ? tick : 0;
            for (uint64_t i = part << 17; i < (part + 1) << 17; i++) memory[i] = pattern(i);
        }
        if (ending && tick == 3) end(strtok(ending + 9, " \n"));
        struct timespec pause = {0, 20 * 1000 * 1000};
        nanosleep(&pause, 0);
    }
}
