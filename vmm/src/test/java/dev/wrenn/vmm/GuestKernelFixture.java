package dev.wrenn.vmm;

import dev.wrenn.base.Command;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * Debian's cloud kernel with an initrd of one program. The package is kept in the folder that
 * WRENN_TEST_CACHE names, else in the temporary folder; the network is needed once. A machine
 * without compiler and network finds both files in the folder that WRENN_TEST_GUEST names.
 */
record GuestKernelFixture(Path kernel, Path initrd) {
    private static final Duration DOWNLOAD_LIMIT = Duration.ofMinutes(5);
    private static final List<String> MODULES =
            List.of(
                    "drivers/virtio/virtio_ring",
                    "drivers/virtio/virtio",
                    "drivers/virtio/virtio_mmio",
                    "drivers/block/virtio_blk",
                    "net/core/failover",
                    "drivers/net/net_failover",
                    "drivers/net/virtio_net",
                    "drivers/char/hw_random/virtio-rng");

    /** Prepares them; the initrd and its program go into the folder. */
    static GuestKernelFixture prepare(Path folder) {
        var given = Optional.ofNullable(System.getenv("WRENN_TEST_GUEST")).map(Path::of);
        if (given.isPresent()) {
            return new GuestKernelFixture(
                    given.get().resolve("vmlinuz"), given.get().resolve("initrd"));
        }
        return prepare(folder, "init.c", MODULES);
    }

    /**
     * The same with another program and other modules.
     *
     * @param source of the program, a resource beside this class
     * @param modules paths within the kernel's modules, without suffix, each after those that it
     *     needs
     */
    static GuestKernelFixture prepare(Path folder, String source, List<String> modules) {
        try {
            var tree = unpackedKernel();
            var version = onlyFileIn(tree.resolve("lib/modules")).getFileName().toString();
            var init = folder.resolve("init");
            var copy = folder.resolve(source);
            try (var resource = GuestKernelFixture.class.getResourceAsStream(source)) {
                Files.write(copy, resource.readAllBytes());
            }
            Command.of(
                            "gcc",
                            "-static",
                            "-O1",
                            "-Wall",
                            "-Werror",
                            "-o",
                            init.toString(),
                            copy.toString())
                    .run();
            var archive = new Cpio();
            archive.add("init", 0100755, Files.readAllBytes(init));
            archive.add("modules", 040755, new byte[0]);
            var order = new StringBuilder();
            for (var module : modules) {
                var file = tree.resolve("lib/modules/" + version + "/kernel/" + module + ".ko");
                archive.add("modules/" + file.getFileName(), 0100644, Files.readAllBytes(file));
                order.append(file.getFileName()).append('\n');
            }
            archive.add(
                    "modules/order", 0100644, order.toString().getBytes(StandardCharsets.US_ASCII));
            var initrd = Files.write(folder.resolve("initrd"), archive.end());
            return new GuestKernelFixture(tree.resolve("boot/vmlinuz-" + version), initrd);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Path unpackedKernel() throws IOException {
        var cache =
                Path.of(
                        Optional.ofNullable(System.getenv("WRENN_TEST_CACHE"))
                                .orElse(
                                        System.getProperty("java.io.tmpdir")
                                                + "/wrenn-test-cache"));
        Files.createDirectories(cache);
        var depends = Command.of("apt-cache", "depends", "linux-image-cloud-amd64").run().stdout();
        var name =
                depends.lines()
                        .map(String::strip)
                        .filter(line -> line.startsWith("Depends: linux-image-"))
                        .map(line -> line.substring("Depends: ".length()))
                        .findFirst()
                        .orElseThrow(() -> new AssertionError("no cloud kernel: " + depends));
        var tree = cache.resolve(name);
        if (!Files.isDirectory(tree)) {
            var aside = Files.createTempDirectory(cache, name);
            Command.of("apt-get", "download", name).in(aside).within(DOWNLOAD_LIMIT).run();
            var unpacked = aside.resolve("tree");
            Command.of("dpkg-deb", "-x", onlyFileIn(aside).toString(), unpacked.toString())
                    .within(DOWNLOAD_LIMIT)
                    .run();
            Files.move(unpacked, tree);
            Files.delete(onlyFileIn(aside));
            Files.delete(aside);
        }
        return tree;
    }

    private static Path onlyFileIn(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            var all = files.toList();
            if (all.size() != 1) {
                throw new AssertionError("one file expected in " + folder + ": " + all);
            }
            return all.getFirst();
        }
    }

    /** The "newc" archive of Linux Documentation/driver-api/early-userspace/buffer-format.rst. */
    private static final class Cpio {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private int inode;

        void add(String name, int mode, byte[] content) {
            var header = new StringBuilder("070701");
            int[] fields = {
                ++inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length() + 1, 0
            };
            for (int field : fields) {
                header.append("%08X".formatted(field));
            }
            bytes.writeBytes((header + name + "\0").getBytes(StandardCharsets.US_ASCII));
            pad();
            bytes.writeBytes(content);
            pad();
        }

        byte[] end() {
            add("TRAILER!!!", 0, new byte[0]);
            return bytes.toByteArray();
        }

        private void pad() {
            while (bytes.size() % 4 != 0) {
                bytes.write(0);
            }
        }
    }
}
