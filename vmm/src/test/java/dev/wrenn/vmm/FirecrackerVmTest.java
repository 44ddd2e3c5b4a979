package dev.wrenn.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Command;
import dev.wrenn.testkit.Eventually;
import dev.wrenn.vmm.firecracker.Firecracker;
import dev.wrenn.vmm.firecracker.FirecrackerConfig;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;

/** Runs where FIRECRACKER_BIN names a firecracker with its jailer beside it, and KVM works. */
@Tag("root")
@Tag("vm")
@EnabledIfEnvironmentVariable(named = "FIRECRACKER_BIN", matches = ".+")
final class FirecrackerVmTest extends VmmContract {
    private static Path binary() {
        return Path.of(Optional.ofNullable(System.getenv("FIRECRACKER_BIN")).orElseThrow());
    }

    @Override
    Vmm open(DeviceLimits limits) {
        var jailer = binary().resolveSibling("jailer");
        return Firecracker.open(new FirecrackerConfig(binary(), jailer, true, limits));
    }

    @Override
    void assertRootHoldsNothing(Path root) throws IOException {
        assertThat(Files.isSameFile(root, lab.spec.runFolder().resolve("j"))).isTrue();
        try (var files = Files.list(root)) {
            assertThat(files.map(f -> String.valueOf(f.getFileName())))
                    .containsExactlyInAnyOrder(
                            "api.sock",
                            "dev",
                            "disk",
                            "firecracker",
                            "firecracker.pid",
                            "log",
                            "pages.sock",
                            "run",
                            "scratch");
        }
        try (var devices = Files.walk(root.resolve("dev"))) {
            assertThat(devices.map(f -> String.valueOf(f.getFileName())))
                    .isSubsetOf("dev", "net", "tun", "kvm", "urandom", "userfaultfd");
        }
        assertThat(root.resolve("scratch")).isEmptyDirectory();
    }

    @Test
    void the_probe_finds_that_it_runs_guests_here() {
        assertThat(Firecracker.problem(binary())).isEmpty();
    }

    @Test
    void a_state_that_was_damaged_is_refused_in_firecrackers_words() throws IOException {
        var vm = boot("");
        VmLab.awaitTick(vm, 1);
        vm.freeze(VmLab.soon());
        var state = folder.resolve("state");
        vm.saveState(state, VmLab.soon());
        vm.close();
        var bytes = Files.readAllBytes(state);
        bytes[bytes.length / 2]++;
        Files.write(state, bytes);
        lab.serving(lab.memory());

        assertThatThrownBy(() -> vmm.restore(lab.spec, state, VmLab.soon()))
                .isInstanceOf(VmmFailed.class)
                .cause()
                .hasMessageContaining("CRC64");
    }

    @Test
    void a_guest_whose_writes_the_host_cannot_store_gets_an_error_and_lives() throws IOException {
        var full = Files.createDirectory(folder.resolve("full"));
        Command.of("mount", "-t", "tmpfs", "-o", "size=64k", lab.name, full.toString()).run();
        try {
            var image = full.resolve("disk");
            try (var file = new RandomAccessFile(image.toFile(), "rw")) {
                file.setLength(64 << 20);
            }
            lab.announced(vmm);
            var spec = lab.specWithDisk(image);
            var vm = lab.hold(vmm.boot(spec, lab.source("test.spread"), VmLab.soon()));

            Eventually.within(
                    Duration.ofSeconds(60), () -> vm.console(VmLab.soon()).contains("disk lost"));

            assertThat(vm.isRunning(VmLab.soon())).isTrue();
            vm.close();
        } finally {
            Command.of("umount", full.toString()).run();
        }
    }

    @Test
    void the_mounts_of_a_vm_are_seen_by_nobody_else() throws IOException {
        var vm = boot("");
        var mounts = Path.of("/proc/" + vm.process().pid() + "/mountinfo");

        assertThat(Files.readString(mounts)).contains(" /disk ", " /scratch ");
        assertThat(Files.readString(Path.of("/proc/self/mountinfo")))
                .doesNotContain(folder.toString());
    }
}
