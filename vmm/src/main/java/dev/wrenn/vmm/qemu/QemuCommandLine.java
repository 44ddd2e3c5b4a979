package dev.wrenn.vmm.qemu;

import dev.wrenn.vmm.BootSource;
import dev.wrenn.vmm.DeviceLimits;
import dev.wrenn.vmm.JailUser;
import dev.wrenn.vmm.VmSpec;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * QEMU's arguments for one VM.
 *
 * <p>A VM that is restored must have exactly the devices of the VM that was saved, in the same
 * order; kernel and initrd are no devices, so a restore leaves them out (8 ms, measured).
 *
 * <p>QEMU inherits the listening monitor socket as descriptor 3, the disk as 4 and, read-only, as
 * 5, and for a restore the VM state as 6.
 */
record QemuCommandLine(Accelerator accelerator, Path binary, long tscKhz, DeviceLimits limits) {
    static final int MONITOR_FD = 3;
    static final int DISK_FD = 4;
    static final int DISK_READ_ONLY_FD = 5;
    static final int STATE_FD = 6;

    /** The ring buffer behind the serial port. */
    static final String CONSOLE = "console";

    static final int CONSOLE_BYTES = 64 * 1024;

    /**
     * Most translated code one VM keeps, in MiB. QEMU would take up to 1 GiB, none of which the
     * guest's memory size accounts for.
     */
    private static final int TRANSLATION_BUFFER_MIB = 256;

    List<String> boot(VmSpec spec, BootSource source, JailUser user) {
        var arguments = new ArrayList<>(machine(spec, user));
        arguments.addAll(List.of("-kernel", source.kernel().toString()));
        arguments.addAll(List.of("-initrd", source.initrd().toString()));
        arguments.addAll(List.of("-append", kernelArguments(source)));
        return arguments;
    }

    List<String> restore(VmSpec spec, JailUser user) {
        var arguments = new ArrayList<>(machine(spec, user));
        arguments.addAll(List.of("-incoming", "defer"));
        return arguments;
    }

    private List<String> machine(VmSpec spec, JailUser user) {
        var memory = spec.memory().toMib() + "M";
        var arguments = new ArrayList<String>();
        arguments.add(binary.toString());
        arguments.addAll(List.of("-name", spec.name()));
        arguments.addAll(List.of("-no-user-config", "-nodefaults", "-display", "none"));
        arguments.addAll(List.of("-machine", "microvm,memory-backend=mem"));
        arguments.addAll(accelerator(accelerator));
        arguments.addAll(List.of("-smp", Integer.toString(spec.vcpus()), "-m", memory));
        // The shim replaces the mapping of this memfd by memory of its own.
        arguments.addAll(List.of("-object", "memory-backend-memfd,id=mem,share=on,size=" + memory));
        // What a guest prints stays in memory and is bounded: a file would grow without end.
        arguments.addAll(
                List.of(
                        "-chardev",
                        "ringbuf,id=%s,size=%d".formatted(CONSOLE, CONSOLE_BYTES),
                        "-serial",
                        "chardev:" + CONSOLE));
        arguments.addAll(
                List.of(
                        "-chardev",
                        "socket,id=monitor,fd=%d,server=on,wait=off".formatted(MONITOR_FD),
                        "-mon",
                        "chardev=monitor,mode=control"));
        arguments.addAll(List.of("-device", "virtio-rng-device"));
        arguments.addAll(disk());
        arguments.addAll(
                List.of(
                        "-netdev",
                        "tap,id=net,ifname=%s,script=no,downscript=no,vhost=off"
                                .formatted(spec.tap()),
                        "-device",
                        "virtio-net-device,netdev=net,mac=" + spec.macAddress()));
        // A guest that ends stays until its last words are read; then the driver ends QEMU.
        arguments.addAll(List.of("-action", "reboot=shutdown,shutdown=pause"));
        // Without any capability there is nothing to elevate, and -runas itself needs setuid.
        arguments.addAll(List.of("-sandbox", "on,obsolete=deny,spawn=deny,resourcecontrol=deny"));
        var jail = Jail.of(spec);
        arguments.addAll(List.of("-chroot", jail.folder().toString()));
        arguments.addAll(List.of("-runas", user.number() + ":" + user.number()));
        arguments.add("-S");
        return arguments;
    }

    static List<String> accelerator(Accelerator accelerator) {
        return switch (accelerator) {
            case KVM -> List.of("-accel", "kvm", "-cpu", "host");
            case TCG -> List.of("-accel", "tcg,tb-size=" + TRANSLATION_BUFFER_MIB, "-cpu", "max");
        };
    }

    /**
     * cache=unsafe: a guest's flush does not wait for the host's disk. The image of a running VM is
     * worth nothing without its memory, and after a power failure a VM goes on from its snapshot,
     * whose own copy of the image was synced. file.locking=off: the owner of the image is decided
     * elsewhere, and a restored VM may start before the old process has been reaped. Two
     * descriptors, because a save makes QEMU open the image again, read-only. werror=stop: a full
     * disk of the host stops the guest instead of breaking its file system, see {@link RunOrder}.
     * Limits are no part of a stored state: those of today apply.
     */
    private List<String> disk() {
        return List.of(
                "-add-fd",
                "set=1,fd=" + DISK_FD,
                "-add-fd",
                "set=1,fd=" + DISK_READ_ONLY_FD,
                "-drive",
                "if=none,id=disk,format=raw,cache=unsafe,discard=unmap,file.locking=off,"
                        + "werror=stop,rerror=stop"
                        + diskLimits()
                        + ",file=/dev/fdset/1",
                "-device",
                "virtio-blk-device,drive=disk");
    }

    /** Reads and writes together (qemu docs/throttle.txt). */
    private String diskLimits() {
        var options = new StringBuilder();
        limits.diskBytes()
                .ifPresent(size -> options.append(",throttling.bps-total=").append(size.bytes()));
        limits.diskOperations()
                .ifPresent(count -> options.append(",throttling.iops-total=").append(count));
        return options.toString();
    }

    private String kernelArguments(BootSource source) {
        var machine =
                switch (accelerator) {
                    case KVM -> "";
                    // Without it the kernel measures the counter against the emulated timer, which
                    // hangs on a busy machine (3 of 4 boots).
                    case TCG -> " tsc=reliable tsc_early_khz=" + tscKhz;
                };
        return "console=ttyS0 reboot=t panic=-1%s %s"
                .formatted(machine, source.arguments())
                .strip();
    }
}
