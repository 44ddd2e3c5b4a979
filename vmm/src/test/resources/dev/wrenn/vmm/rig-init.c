/* First process of the rig: loads modules, mounts the disks, and runs /rig/run in the first one.
 * Whatever happens, the machine is switched off at the end. /dev/vda: system, read-only. /dev/vdb:
 * what is tested, read-only, seen as /rig. /dev/vdc: XFS, seen as /tmp. /run is mounted as systemd
 * does, so that whoever needs devices or programs there must see to it.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(int result, const char *what) {
    if (result) perror(what);
}

static void load(const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/modules/%s", name);
    int module = open(path, O_RDONLY | O_CLOEXEC);
    check(module < 0 || syscall(SYS_finit_module, module, "", 0), name);
    close(module);
}

static void load_all(void) {
    char name[48];
    FILE *order = fopen("/modules/order", "r");
    while (order && fgets(name, sizeof name, order)) {
        name[strcspn(name, "\n")] = 0;
        load(name);
    }
    check(!order || fclose(order), "/modules/order");
}

/* The first virtual machine and the first virtual processor whose APIC is off make the kernel patch
 * itself (preempt_notifier_key in the scheduler, apic_sw_disabled), the last ones make it undo that. A
 * processor of the emulator that comes by meanwhile may keep the breakpoint which marks such a place,
 * and run into it for ever, interrupts off. With a machine that is always there nothing is patched when
 * the tests' machines come and go. Both descriptors stay open as long as this process.
 */
static void hold_a_virtual_machine(void) {
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    int machine = ioctl(kvm, KVM_CREATE_VM, 0);
    check(machine < 0 || ioctl(machine, KVM_CREATE_IRQCHIP, 0), "/dev/kvm");
    check(ioctl(machine, KVM_CREATE_VCPU, 0) < 0, "KVM_CREATE_VCPU");
}

static void run(void) {
    check(chroot("/root") || chdir("/"), "chroot");
    check(mount("dev", "/dev", "devtmpfs", 0, 0), "/dev");
    check(mount("proc", "/proc", "proc", 0, 0), "/proc");
    check(mount("sys", "/sys", "sysfs", 0, 0), "/sys");
    check(mount("cgroup", "/sys/fs/cgroup", "cgroup2", 0, 0), "/sys/fs/cgroup");
    check(mount("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755"), "/run");
    check(mount("/dev/vdc", "/tmp", "xfs", MS_NOATIME, 0), "/tmp");
    check(mount("/dev/vdb", "/rig", "ext4", MS_RDONLY, 0), "/rig");
    char *arguments[] = {"/bin/sh", "/rig/run", 0};
    char *environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", 0};
    execve(arguments[0], arguments, environment);
    perror("execve");
    _exit(127);
}

int main(void) {
    mkdir("/dev", 0755);
    mkdir("/root", 0755);
    check(mount("dev", "/dev", "devtmpfs", 0, 0), "/dev");
    int console = open("/dev/console", O_RDWR);
    for (int fd = 0; fd < 3; fd++) dup2(console, fd);
    setbuf(stdout, 0);
    printf("rig: up\n");
    load_all();
    hold_a_virtual_machine();
    check(mount("/dev/vda", "/root", "ext4", MS_RDONLY, 0), "/dev/vda");
    pid_t child = fork();
    if (child == 0) run();
    int status = 0;
    for (pid_t ended = 0; ended != child && ended >= 0;) ended = wait(&status);
    printf("\nrig: ended with %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128);
    sync();
    reboot(RB_POWER_OFF);
}
