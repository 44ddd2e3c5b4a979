package dev.wrenn.vmm.qemu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Command;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayNameGeneration(ReplaceUnderscores.class)
final class KvmProbeTest {
    private static final Path QEMU = Path.of("/usr/bin/qemu-system-x86_64");

    @TempDir Path folder;

    @Test
    void the_firmware_is_what_its_source_says() throws IOException {
        var source = copy("kvm-probe.S");
        var object = folder.resolve("probe.o");
        var binary = folder.resolve("probe.bin");

        Command.of("as", "--64", "-o", object.toString(), source.toString()).run();
        Command.of(
                        "ld",
                        "-Ttext=0xffe00",
                        "--oformat",
                        "binary",
                        "-o",
                        binary.toString(),
                        object.toString())
                .run();

        assertThat(binary).hasSameBinaryContentAs(copy("kvm-probe.bin"));
    }

    @Test
    @Tag("vm")
    void a_machine_without_the_device_gets_the_translator_and_is_told_why() {
        var probe = KvmProbe.select(QEMU, folder.resolve("kvm"));

        assertThat(probe.accelerator()).isEqualTo(Accelerator.TCG);
        assertThat(probe.reasons()).hasSize(2).first().asString().contains("does not exist");
    }

    @Test
    void a_kvm_that_fails_or_says_nothing_is_not_used() throws IOException {
        var device = Files.createFile(folder.resolve("kvm"));
        var qemu =
                program(
                        """
                        case "$*" in
                        *tcg*) echo run. ;;
                        *) echo "failed to set MSR" >&2; exit 134 ;;
                        esac
                        """);

        var probe = KvmProbe.select(qemu, device);

        assertThat(probe.accelerator()).isEqualTo(Accelerator.TCG);
        assertThat(probe.reasons().getFirst()).contains("exit code 134", "failed to set MSR");
    }

    @Test
    void a_guest_that_stops_half_way_is_no_proof() throws IOException {
        var device = Files.createFile(folder.resolve("kvm"));
        var qemu = program("case \"$*\" in *tcg*) echo run. ;; *) echo run ;; esac\n");

        assertThat(KvmProbe.select(qemu, device).accelerator()).isEqualTo(Accelerator.TCG);
    }

    @Test
    void a_kvm_that_runs_the_guest_is_used() throws IOException {
        var device = Files.createFile(folder.resolve("kvm"));
        var qemu = program("case \"$*\" in *kvm*) echo run. ;; *) exit 1 ;; esac\n");

        assertThat(KvmProbe.select(qemu, device).accelerator()).isEqualTo(Accelerator.KVM);
    }

    @Test
    void a_qemu_that_runs_nothing_is_refused() throws IOException {
        var qemu = program("exit 1\n");

        assertThatThrownBy(() -> KvmProbe.select(qemu, folder.resolve("kvm")))
                .isInstanceOf(WrennException.class);
    }

    private Path program(String script) throws IOException {
        var file = Files.writeString(folder.resolve("qemu"), "#!/bin/sh\n" + script);
        return Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
    }

    private Path copy(String resource) throws IOException {
        try (var stream = KvmProbe.class.getResourceAsStream(resource)) {
            return Files.write(folder.resolve(resource), stream.readAllBytes());
        }
    }
}
