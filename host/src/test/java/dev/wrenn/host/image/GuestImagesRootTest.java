package dev.wrenn.host.image;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Command;
import dev.wrenn.base.Progress;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Makes real images; WRENN_TEST_CACHE names a folder that keeps them from run to run. */
@Tag("root")
class GuestImagesRootTest {
    @TempDir static Path temporary;

    private static Path folder;
    private static Path agent;
    private static GuestImages images;

    @BeforeAll
    static void prepare() throws IOException {
        folder =
                Optional.ofNullable(System.getenv("WRENN_TEST_CACHE"))
                        .map(Path::of)
                        .orElse(temporary);
        agent = Files.writeString(temporary.resolve("agent"), "\177ELF of a test");
        images = GuestImages.prepare(folder, agent, Progress.silent());
    }

    /** What debugfs(8) prints for a command on the image. */
    private static String debugfs(String command) {
        return Command.of("debugfs", "-R", command, images.minimalRootFs().toString())
                .run()
                .stdout();
    }

    private static Map<String, FileTime> entries() throws IOException {
        var entries = new TreeMap<String, FileTime>();
        try (var files = Files.list(folder.resolve("images"))) {
            for (var file : files.toList()) {
                entries.put(file.getFileName().toString(), Files.getLastModifiedTime(file));
            }
        }
        return entries;
    }

    @Test
    void the_kernel_is_a_bzimage_with_its_virtio_modules_in_load_order() throws IOException {
        var image = Files.readAllBytes(images.kernel());
        assertThat(new String(image, 0x202, 4, StandardCharsets.ISO_8859_1))
                .as("boot protocol magic, Linux Documentation/arch/x86/boot.rst")
                .isEqualTo("HdrS");
        assertThat(images.kernelVersion()).endsWith("-cloud-amd64");

        try (var files = Files.list(images.kernel().resolveSibling("modules"))) {
            var names =
                    files.map(file -> file.getFileName().toString().substring(3)).sorted().toList();
            assertThat(names).contains("virtio_blk.ko", "virtio_mmio.ko", "virtio_net.ko");
        }
        var seen = new HashSet<String>();
        try (var files = Files.list(images.kernel().resolveSibling("modules"))) {
            for (var file : files.sorted().toList()) {
                var name = file.getFileName().toString().substring(3);
                var module = new KernelModule(KernelModule.nameOf(name), file);
                assertThat(seen).as("needed by %s", name).containsAll(module.dependencies());
                seen.add(module.name());
            }
        }
    }

    @Test
    void the_root_file_system_is_whole_and_small_for_its_nominal_size() throws IOException {
        var image = images.minimalRootFs();

        Command.of("e2fsck", "-f", "-n", image.toString()).within(Duration.ofMinutes(2)).run();

        assertThat(Files.size(image)).isEqualTo(5L << 30);
        var stat = Command.of("stat", "--format=%b", image.toString()).run();
        var allocatedBytes = 512 * Long.parseLong(stat.stdout().strip());
        assertThat(allocatedBytes).isBetween(100L << 20, 400L << 20);
    }

    @Test
    void it_has_the_programs_that_capsules_are_promised() {
        for (var program :
                List.of(
                        "bash", "ls", "ps", "git", "curl", "sudo", "python3", "ss", "apt-get",
                        "pgrep")) {
            assertThat(debugfs("stat /usr/bin/" + program))
                    .as(program)
                    .containsPattern("Type: (regular|symlink)");
        }
        assertThat(debugfs("stat /etc/ssl/certs/ca-certificates.crt")).contains("Type: regular");
    }

    @Test
    void it_identifies_no_machine_and_tells_nothing_of_this_one() {
        assertThat(debugfs("cat /etc/hostname")).isEqualTo("capsule\n");
        assertThat(debugfs("cat /etc/hosts")).contains("127.0.1.1 capsule");
        assertThat(debugfs("cat /etc/machine-id")).isEmpty();
        assertThat(debugfs("cat /etc/resolv.conf")).isEmpty();
        assertThat(debugfs("ls -p /var/lib/apt/lists")).doesNotContain("Packages");
        assertThat(debugfs("ls -p /etc/apt/apt.conf.d")).doesNotContain("mmdebstrap");
        assertThat(debugfs("cat /etc/apt/sources.list"))
                .contains("deb ")
                .doesNotContainPattern("://[^/ ]*@");
    }

    @Test
    void both_users_may_become_root_without_a_password() {
        assertThat(debugfs("cat /etc/passwd"))
                .contains("user:x:1000:1000:", "wrenn-user:x:1001:1001:", ":/home/user:/bin/bash");
        for (var user : List.of("user", "wrenn-user")) {
            assertThat(debugfs("cat /etc/sudoers.d/" + user)).contains("NOPASSWD: ALL");
            assertThat(debugfs("stat /etc/sudoers.d/" + user)).containsPattern("Mode:\\s+0440");
        }
    }

    @Test
    void a_second_run_makes_nothing_anew_and_clears_what_an_interrupted_one_left()
            throws IOException {
        var before = entries();
        Files.createDirectories(folder.resolve("images/.unfinished-minimal-root/etc"));

        var again = GuestImages.prepare(folder, agent, Progress.silent());

        assertThat(again).isEqualTo(images);
        assertThat(entries()).isEqualTo(before);
    }

    @Test
    void a_new_guest_agent_changes_the_initrd_only() throws IOException {
        var newAgent = Files.writeString(temporary.resolve("new-agent"), "\177ELF, newer");

        var changed = GuestImages.prepare(folder, newAgent, Progress.silent());

        assertThat(changed.initrd()).isNotEqualTo(images.initrd());
        assertThat(changed)
                .isEqualTo(
                        new GuestImages(
                                images.kernel(),
                                images.kernelVersion(),
                                changed.initrd(),
                                images.minimalRootFs()));
    }
}
