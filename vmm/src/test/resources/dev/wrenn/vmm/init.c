/* First process of the test guests: loads the virtio modules, opens the disk, then counts on the
 * console. Kernel arguments: test.end=poweroff|reboot|panic ends it after three ticks;
 * test.flood makes it print without end; test.fill=MIB fills memory with a pattern that it checks
 * at every tick; test.spread writes each tick's block one MiB further into the disk.
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

static uint64_t pattern(uint64_t index) { return (index + 1) * 0x9e3779b97f4a7c15u; }

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
    if (disk < 0) printf("no disk\n");
    char *fill = strstr(arguments, "test.fill="), *ending = strstr(arguments, "test.end=");
    uint64_t words = fill ? strtoul(fill + 10, 0, 10) << 17 : 0, *memory = malloc(words * 8 + 8);
    for (uint64_t i = 0; i < words; i++) memory[i] = pattern(i);
    if (strstr(arguments, "test.flood"))
        for (;;) printf("flood flood flood flood flood flood flood flood flood flood\n");
    for (unsigned tick = 0;; tick++) {
        static char block[4096] __attribute__((aligned(4096)));
        off_t place = strstr(arguments, "test.spread") ? (off_t)(tick % 60) << 20 : 0;
        printf("tick %u\n", tick);
        snprintf(block, sizeof block, "tick %u\n", tick);
        if (pwrite(disk, block, sizeof block, place) != sizeof block || fsync(disk))
            printf("disk lost\n");
        for (uint64_t i = 0; i < words; i++) {
            if (memory[i] != pattern(i)) {
                printf("memory lost at %lu\n", (unsigned long)i);
                break;
            }
        }
        if (ending && tick == 3) end(strtok(ending + 9, " \n"));
        struct timespec pause = {0, 20 * 1000 * 1000};
        nanosleep(&pause, 0);
    }
}
