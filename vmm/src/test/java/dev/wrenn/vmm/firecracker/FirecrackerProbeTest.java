package dev.wrenn.vmm.firecracker;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Command;
import dev.wrenn.base.Stopwatch;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** With programs that behave like a Firecracker; FirecrackerVmTest runs the real one. */
@DisplayNameGeneration(ReplaceUnderscores.class)
final class FirecrackerProbeTest {
    private static final Path DEVICE = Path.of("/dev/null"); // may be opened

    @TempDir Path folder;

    private Path program(String script) throws IOException {
        var file = Files.writeString(folder.resolve("firecracker"), "#!/bin/sh\n" + script);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
        return file;
    }

    @Test
    void a_guest_that_resets_its_machine_proves_it() throws IOException {
        assertThat(FirecrackerProbe.tryGuest(program("exit 0"), DEVICE)).isEmpty();
    }

    @Test
    void what_firecracker_says_reaches_the_operator() throws IOException {
        var problem =
                FirecrackerProbe.tryGuest(
                        program("echo hello; echo 'Error: no such register' >&2; exit 1"), DEVICE);

        assertThat(problem).contains("exit code 1", "no such register");
    }

    @Test
    void a_guest_that_hangs_is_given_up() throws IOException {
        var watch = Stopwatch.start();

        assertThat(FirecrackerProbe.tryGuest(program("exec sleep 600"), DEVICE))
                .contains("does not run ordinary guests at the processor's speed");

        assertThat(watch.elapsed()).isLessThan(Duration.ofSeconds(60));
    }

    @Test
    void without_the_device_nothing_is_started() throws IOException {
        assertThat(FirecrackerProbe.tryGuest(program("exit 0"), folder.resolve("kvm")))
                .contains("does not exist");
    }

    @Test
    void the_machine_that_is_tried_is_small_and_its_kernel_an_elf_file() throws IOException {
        var copy = folder.resolve("copy");
        var script =
                "sed -n 's/.*kernel_image_path\": \"\\([^\"]*\\).*/\\1/p' $3 | xargs -I{} cp {} "
                        + copy;

        assertThat(FirecrackerProbe.tryGuest(program(script), DEVICE)).isEmpty();

        assertThat(Command.of("readelf", "-l", copy.toString()).run().stdout())
                .contains("EXEC", "Entry point 0x1000000", "LOAD", "R E");
    }
}
