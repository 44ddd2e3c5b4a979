package dev.wrenn.vmm.qemu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.ByteSize;
import dev.wrenn.vmm.BootSource;
import dev.wrenn.vmm.DeviceLimits;
import dev.wrenn.vmm.JailUser;
import dev.wrenn.vmm.VmSpec;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;

/** A changed argument can make every stored VM state unreadable: it must be seen in review. */
@DisplayNameGeneration(ReplaceUnderscores.class)
final class QemuCommandLineTest {
    private static final Path BINARY = Path.of("/usr/bin/qemu-system-x86_64");
    private static final VmSpec SPEC =
            new VmSpec(
                    "cl-1",
                    Path.of("/run/wrenn/cl-1"),
                    2,
                    ByteSize.mib(512),
                    Path.of("/data/disks/a,b.raw"),
                    Path.of("/data/scratch"),
                    "wrn-7",
                    "tap0",
                    "02:fc:00:00:00:05",
                    Path.of("/run/wrenn/cl-1/pages.sock"));
    private static final JailUser USER = new JailUser(1_900_000_007);
    private static final BootSource SOURCE =
            new BootSource(Path.of("/data/vmlinuz"), Path.of("/data/initrd"), "quiet wrenn.root=x");

    private static final String MACHINE =
            """
            /usr/bin/qemu-system-x86_64
            -name cl-1
            -no-user-config
            -nodefaults
            -display none
            -machine microvm,memory-backend=mem
            -accel tcg,tb-size=256
            -cpu max
            -smp 2
            -m 512M
            -object memory-backend-memfd,id=mem,share=on,size=512M
            -chardev ringbuf,id=console,size=65536
            -serial chardev:console
            -chardev socket,id=monitor,fd=3,server=on,wait=off
            -mon chardev=monitor,mode=control
            -device virtio-rng-device
            -add-fd set=1,fd=4
            -add-fd set=1,fd=5
            -drive if=none,id=disk,format=raw,cache=unsafe,discard=unmap,file.locking=off,werror=stop,rerror=stop,file=/dev/fdset/1
            -device virtio-blk-device,drive=disk
            -netdev tap,id=net,ifname=tap0,script=no,downscript=no,vhost=off
            -device virtio-net-device,netdev=net,mac=02:fc:00:00:00:05
            -action reboot=shutdown,shutdown=pause
            -sandbox on,obsolete=deny,spawn=deny,resourcecontrol=deny
            -chroot /run/wrenn/cl-1/jail
            -runas 1900000007:1900000007
            -S
            """;

    @Test
    void a_restore_has_the_machine_and_nothing_else() {
        var restore =
                new QemuCommandLine(Accelerator.TCG, BINARY, 2_596_134, DeviceLimits.NONE)
                        .restore(SPEC, USER);

        assertThat(lines(restore)).isEqualTo(MACHINE + "-incoming defer\n");
    }

    @Test
    void limits_of_the_disk_change_nothing_that_a_state_would_have_to_know() {
        var limits =
                new DeviceLimits(
                        Optional.of(ByteSize.mib(1)), OptionalLong.of(100), Optional.empty());

        var restore =
                new QemuCommandLine(Accelerator.TCG, BINARY, 2_596_134, limits).restore(SPEC, USER);

        assertThat(lines(restore))
                .isEqualTo(
                        MACHINE.replace(
                                        ",file=/dev",
                                        ",throttling.bps-total=1048576,throttling.iops-total=100"
                                                + ",file=/dev")
                                + "-incoming defer\n");
    }

    @Test
    void a_boot_has_the_same_machine_and_a_kernel_that_knows_its_clock() {
        var boot =
                new QemuCommandLine(Accelerator.TCG, BINARY, 2_596_134, DeviceLimits.NONE)
                        .boot(SPEC, SOURCE, USER);

        assertThat(lines(boot.subList(0, boot.size() - 2)))
                .isEqualTo(MACHINE + "-kernel /data/vmlinuz\n-initrd /data/initrd\n");
        assertThat(boot.subList(boot.size() - 2, boot.size()))
                .containsExactly(
                        "-append",
                        "console=ttyS0 reboot=t panic=-1 tsc=reliable tsc_early_khz=2596134"
                                + " quiet wrenn.root=x");
    }

    @Test
    void on_kvm_the_processor_is_the_hosts_and_the_clock_its_own() {
        var boot =
                new QemuCommandLine(Accelerator.KVM, BINARY, 0, DeviceLimits.NONE)
                        .boot(SPEC, SOURCE, USER);

        assertThat(lines(boot)).contains("-accel kvm\n-cpu host\n");
        assertThat(boot.getLast()).isEqualTo("console=ttyS0 reboot=t panic=-1 quiet wrenn.root=x");
    }

    /** One option with its value a line. */
    private static String lines(List<String> arguments) {
        var text = new ArrayList<String>();
        for (var argument : arguments) {
            if (argument.startsWith("-") || text.isEmpty()) {
                text.add(argument);
            } else {
                text.set(text.size() - 1, text.getLast() + " " + argument);
            }
        }
        return String.join("\n", text) + "\n";
    }
}
