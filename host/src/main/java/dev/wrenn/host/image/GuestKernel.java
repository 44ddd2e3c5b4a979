package dev.wrenn.host.image;

import dev.wrenn.base.Command;
import dev.wrenn.base.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * The kernel that guests run, taken from Debian's cloud kernel package, which is unpacked but never
 * installed.
 *
 * <p>Its folder holds {@code vmlinuz} (a bzImage), {@code release} (what uname -r says) and under
 * {@code modules} what {@link #MODULES} needs, numbered in load order. A kernel once taken stays in
 * use: snapshots hold its memory, so a newer package never replaces it silently.
 *
 * @param image the bzImage
 * @param release what {@code uname -r} says in the guest
 * @param modules in load order
 */
record GuestKernel(Path image, String release, List<KernelModule> modules) {
    private static final String META_PACKAGE = "linux-image-cloud-amd64";
    private static final Pattern VERSIONED =
            Pattern.compile("linux-image-(?<release>[0-9][A-Za-z0-9.+~-]*-cloud-amd64)\\b");
    private static final Duration APT_LIMIT = Duration.ofMinutes(30);
    private static final Duration UNPACK_LIMIT = Duration.ofMinutes(5);

    /** Disk, network and entropy over virtio-mmio, and the root file system's type. */
    private static final List<String> MODULES =
            List.of("virtio_mmio", "virtio_blk", "virtio_net", "virtio_rng", "ext4");

    /** The kernel in that folder; it is fetched first if there is none. */
    static GuestKernel prepare(Aside aside, Path folder, Progress progress) throws IOException {
        var existing = newest(folder);
        return read(existing.isPresent() ? existing.get() : fetch(aside, progress));
    }

    private static Optional<Path> newest(Path folder) throws IOException {
        try (var entries = Files.newDirectoryStream(folder, "kernel-*")) {
            var kernels = new ArrayList<Path>();
            entries.forEach(kernels::add);
            return kernels.stream().max(Comparator.comparing(GuestKernel::modified));
        }
    }

    private static FileTime modified(Path path) {
        try {
            return Files.getLastModifiedTime(path);
        } catch (IOException e) {
            throw new GuestImageFailed("cannot look at a kernel in the data folder", e);
        }
    }

    private static GuestKernel read(Path folder) throws IOException {
        try (var files = Files.list(folder.resolve("modules"))) {
            var modules =
                    files.sorted()
                            .map(file ->
                                    new KernelModule(
                                            KernelModule.nameOf(withoutNumber(file)), file))
                            .toList();
            return new GuestKernel(
                    folder.resolve("vmlinuz"),
                    Files.readString(folder.resolve("release")).strip(),
                    modules);
        }
    }

    private static String withoutNumber(Path file) {
        var name = file.getFileName().toString();
        return name.substring(name.indexOf('-') + 1);
    }

    private static Path fetch(Aside aside, Progress progress) throws IOException {
        try (var step = progress.start("Fetching the guest kernel", 0)) {
            var work = Files.createDirectories(aside.scratch("kernel-package"));
            var release = resolve();
            var deb = download("linux-image-" + release, work);
            var unpacked = work.resolve("unpacked");
            Command.of("dpkg-deb", "-x", deb.toString(), unpacked.toString())
                    .within(UNPACK_LIMIT)
                    .run();
            var modules = unpacked.resolve("lib/modules").resolve(release);
            if (!Files.isDirectory(modules)) {
                modules = unpacked.resolve("usr/lib/modules").resolve(release);
            }
            var name = "kernel-%s-%s".formatted(release, new Sha256().file(deb).name());
            var loadOrder = loadOrder(modules);
            var kernel = aside.make(name, into -> collect(unpacked, release, loadOrder, into));
            Aside.remove(work);
            step.done();
            return kernel;
        }
    }

    private static void collect(
            Path unpacked, String release, List<KernelModule> modules, Path into)
            throws IOException {
        Files.createDirectories(into.resolve("modules"));
        Files.copy(unpacked.resolve("boot/vmlinuz-" + release), into.resolve("vmlinuz"));
        Files.writeString(into.resolve("release"), release + "\n");
        for (int i = 0; i < modules.size(); i++) {
            var file = modules.get(i).file();
            Files.copy(
                    file, into.resolve("modules").resolve("%02d-%s".formatted(i, fileName(file))));
        }
    }

    private static String fileName(Path file) {
        return file.getFileName().toString();
    }

    /** The release of the kernel that the meta package stands for. */
    private static String resolve() {
        var release = releaseIn(show());
        if (release.isEmpty()) {
            update();
            release = releaseIn(show());
        }
        return release.orElseThrow(() ->
                new GuestImageFailed(
                        "apt knows no package %s; check the apt sources of this machine"
                                .formatted(META_PACKAGE)));
    }

    private static Command.Output show() {
        return Command.of("apt-cache", "show", "--no-all-versions", META_PACKAGE).tryRun();
    }

    private static Optional<String> releaseIn(Command.Output shown) {
        return shown.stdout()
                .lines()
                .filter(line -> line.startsWith("Depends:"))
                .map(VERSIONED::matcher)
                .filter(Matcher::find)
                .map(match -> match.group("release"))
                .findFirst();
    }

    private static Path download(String packageName, Path into) throws IOException {
        // A sandbox user of apt's could not write into our folder; apt checks the hash either way.
        var download =
                Command.of(
                                "apt-get",
                                "-q",
                                "-o",
                                "APT::Sandbox::User=root",
                                "download",
                                packageName)
                        .in(into)
                        .within(APT_LIMIT);
        if (!download.tryRun().isSuccess()) {
            update(); // the lists may name a version that the mirror no longer has
            download.run();
        }
        try (var debs = Files.newDirectoryStream(into, "*.deb")) {
            for (var deb : debs) {
                return deb;
            }
        }
        throw new GuestImageFailed("apt-get download left no package " + packageName);
    }

    private static void update() {
        Command.of("apt-get", "-q", "update").within(APT_LIMIT).run();
    }

    /** The wanted modules, each after those that it needs. */
    static List<KernelModule> loadOrder(Path modules) throws IOException {
        var builtin = builtin(modules);
        var available = available(modules);
        var ordered = new LinkedHashMap<String, KernelModule>();
        for (var wanted : MODULES) {
            if (!builtin.contains(wanted)) {
                add(wanted, available, ordered, new HashSet<>());
            }
        }
        return List.copyOf(ordered.values());
    }

    private static void add(
            String name,
            Map<String, Path> available,
            Map<String, KernelModule> ordered,
            Set<String> above)
            throws IOException {
        if (ordered.containsKey(name)) {
            return;
        }
        var file = available.get(name);
        if (file == null || !above.add(name)) {
            throw new GuestImageFailed("the kernel package has no usable module " + name);
        }
        var module = KernelModule.at(unpacked(file));
        for (var dependency : module.dependencies()) {
            add(dependency, available, ordered, above);
        }
        ordered.put(name, module);
    }

    /** Newer packages ship their modules compressed; the guest agent loads them as they are. */
    private static Path unpacked(Path file) {
        var name = fileName(file);
        if (!name.endsWith(".ko.xz")) {
            return file;
        }
        Command.of("xz", "--decompress", file.toString()).within(UNPACK_LIMIT).run();
        return file.resolveSibling(name.substring(0, name.length() - ".xz".length()));
    }

    private static Set<String> builtin(Path modules) throws IOException {
        try (var lines = Files.lines(modules.resolve("modules.builtin"))) {
            return lines.map(line -> KernelModule.nameOf(line.substring(line.lastIndexOf('/') + 1)))
                    .collect(Collectors.toSet());
        }
    }

    private static Map<String, Path> available(Path modules) throws IOException {
        try (var files = Files.walk(modules)) {
            return files.filter(file ->
                            fileName(file).endsWith(".ko") || fileName(file).endsWith(".ko.xz"))
                    .collect(
                            Collectors.toMap(
                                    file -> KernelModule.nameOf(fileName(file)),
                                    file -> file,
                                    (first, _) -> first));
        }
    }
}
