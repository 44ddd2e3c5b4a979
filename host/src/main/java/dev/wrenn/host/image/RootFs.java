package dev.wrenn.host.image;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Command;
import dev.wrenn.base.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * The {@code minimal} root file system: a small Debian as a sparse raw ext4 image.
 *
 * <p>The guest agent is not in it (it comes with the initrd) and neither is a kernel. Nothing in it
 * identifies a machine: clones get their identity from the guest agent.
 */
final class RootFs {
    /** What a guest sees as its disk; the file is as small as its content. */
    static final ByteSize SIZE = ByteSize.gib(5);

    private static final List<String> PACKAGES =
            List.of(
                    "bash",
                    "coreutils",
                    "procps",
                    "git",
                    "curl",
                    "ca-certificates",
                    "sudo",
                    "python3",
                    "iproute2");

    /** A capsule has no use for manuals; copyright texts stay, as their licences ask. */
    private static final List<String> DPKG_OPTIONS =
            List.of(
                    "path-exclude=/usr/share/doc/*",
                    "path-include=/usr/share/doc/*/copyright",
                    "path-exclude=/usr/share/man/*",
                    "path-exclude=/usr/share/info/*",
                    "path-exclude=/usr/share/lintian/*",
                    "path-exclude=/usr/share/locale/*",
                    "path-include=/usr/share/locale/locale.alias");

    /** One user with the name that each kind of client expects; both may become root. */
    private static final List<User> USERS =
            List.of(new User("user", 1000), new User("wrenn-user", 1001));

    private static final String PATH =
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
                    + ":/usr/games:/usr/local/games";
    private static final String PROFILE =
            """
            PATH="%s"
            export PATH LANG="${LANG:-C.UTF-8}"
            """
                    .formatted(PATH);
    private static final String HOSTS =
            """
            127.0.0.1 localhost
            127.0.1.1 capsule
            ::1 localhost ip6-localhost ip6-loopback
            """;

    /**
     * Inode tables need no zeroing in a new sparse file, so the guest's kernel has none to do
     * either; a small journal keeps the set of blocks small that every capsule rewrites.
     */
    private static final List<String> EXT4 =
            List.of(
                    "-t",
                    "ext4",
                    "-q",
                    "-F",
                    "-L",
                    "capsule-root",
                    "-m",
                    "1",
                    "-J",
                    "size=16",
                    "-E",
                    "assume_storage_prezeroed=1");

    private static final Duration BOOTSTRAP_LIMIT = Duration.ofMinutes(60);
    private static final Duration FORMAT_LIMIT = Duration.ofMinutes(10);
    private static final Pattern PACKAGES_COUNTED =
            Pattern.compile("\\d+ upgraded, (\\d+) newly installed, .*");
    private static final Pattern PACKAGE_DONE = Pattern.compile("(Unpacking|Setting up) .*");

    private record User(String name, int id) {}

    private RootFs() {}

    /** The image; made if there is none for this recipe. */
    static Path prepare(Aside aside, Path folder, Progress progress) throws IOException {
        var name = "minimal-%s.ext4".formatted(recipe());
        var target = folder.resolve(name);
        if (Files.exists(target)) {
            return target;
        }
        var root = aside.scratch("minimal-root");
        var sources = AptSources.ofThisMachine();
        try (var step = progress.start("Building the minimal root file system", 0)) {
            bootstrap(sources, aside, root, step);
            personalise(root, sources);
            step.done();
        }
        try (var step = progress.start("Writing it to an ext4 image", 0)) {
            var image = aside.make(name, into -> format(root, into));
            Aside.remove(root);
            step.done();
            return image;
        }
    }

    /** Changes when a new version of this class would make another image. */
    private static String recipe() {
        return new Sha256()
                .text(String.join(" ", PACKAGES))
                .text(String.join(" ", DPKG_OPTIONS))
                .text(USERS.toString())
                .text(PROFILE)
                .text(HOSTS)
                .text(String.join(" ", EXT4))
                .text(SIZE.toString())
                .name();
    }

    private static void bootstrap(AptSources sources, Aside aside, Path root, Progress.Step step)
            throws IOException {
        // A file, not an argument: a source may carry a password and arguments are public.
        var list = aside.scratch("sources.list");
        Files.createFile(
                list,
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.write(list, sources.lines());
        var arguments = new ArrayList<String>();
        arguments.addAll(
                List.of(
                        "mmdebstrap",
                        "--mode=root",
                        "--variant=minbase",
                        "--format=directory",
                        "--verbose",
                        "--include=" + String.join(",", PACKAGES)));
        DPKG_OPTIONS.forEach(option -> arguments.add("--dpkgopt=" + option));
        sources.transport().forEach(option -> arguments.add("--aptopt=" + option));
        arguments.addAll(List.of(sources.codename(), root.toString(), list.toString()));
        var counter = new PackageCounter(step);
        Command.of(arguments).within(BOOTSTRAP_LIMIT).eachLine(counter::line).run();
        Aside.remove(list);
    }

    /** Reads the progress from apt's and dpkg's output; a wording that changes costs only that. */
    private static final class PackageCounter {
        private final Progress.Step step;
        private long expected;

        PackageCounter(Progress.Step step) {
            this.step = step;
        }

        void line(String line) {
            var counted = PACKAGES_COUNTED.matcher(line);
            if (counted.matches()) {
                expect(2 * Long.parseLong(counted.group(1)));
            } else if (PACKAGE_DONE.matcher(line).matches()) {
                step.advance(1);
            }
        }

        private synchronized void expect(long more) {
            expected += more;
            step.expect(expected);
        }
    }

    private static void personalise(Path root, AptSources sources) throws IOException {
        var etc = root.resolve("etc");
        // mmdebstrap brings this machine's, with its permissions; the guest agent writes the
        // capsule's.
        for (var ofThisMachine : List.of("hostname", "resolv.conf")) {
            Aside.remove(etc.resolve(ofThisMachine));
        }
        Files.writeString(etc.resolve("hostname"), "capsule\n");
        Files.writeString(etc.resolve("resolv.conf"), "");
        Files.writeString(etc.resolve("hosts"), HOSTS);
        Files.writeString(etc.resolve("profile.d/00-capsule.sh"), PROFILE);
        Files.writeString(etc.resolve("default/locale"), "LANG=C.UTF-8\n");
        // Empty means "not yet known", see machine-id(5); a filled one would be shared by all
        // clones.
        Files.writeString(etc.resolve("machine-id"), "");
        addUsers(root);
        keepAptUsable(etc, sources);
    }

    private static void addUsers(Path root) throws IOException {
        for (var user : USERS) {
            Command.of(
                            "chroot",
                            root.toString(),
                            "useradd",
                            "--create-home",
                            "--shell=/bin/bash",
                            "--uid=" + user.id(),
                            user.name())
                    .run();
            var rights = root.resolve("etc/sudoers.d").resolve(user.name());
            Files.writeString(rights, user.name() + " ALL=(ALL:ALL) NOPASSWD: ALL\n");
            Files.setPosixFilePermissions(rights, PosixFilePermissions.fromString("r--r-----"));
        }
        Files.writeString(
                root.resolve("etc/sudoers.d/path"), "Defaults secure_path=\"" + PATH + "\"\n");
        Files.setPosixFilePermissions(
                root.resolve("etc/sudoers.d/path"), PosixFilePermissions.fromString("r--r-----"));
    }

    /** The mirror stays known, this machine's proxy and passwords do not. */
    private static void keepAptUsable(Path etc, AptSources sources) throws IOException {
        Aside.remove(etc.resolve("apt/apt.conf.d/99mmdebstrap"));
        Files.write(etc.resolve("apt/apt.conf.d/50capsule"), sources.freshness());
        try (var lists = Files.newDirectoryStream(etc.resolve("apt/sources.list.d"))) {
            lists.forEach(Aside::remove);
        }
        Files.writeString(etc.resolve("apt/sources.list"), sources.linesWithoutCredentials());
    }

    /** Writes a folder to a new ext4 image. */
    static void format(Path root, Path into) throws IOException {
        var arguments = new ArrayList<String>();
        arguments.add("mke2fs");
        arguments.addAll(EXT4);
        arguments.addAll(List.of("-d", root.toString(), into.toString(), SIZE.toMib() + "M"));
        Command.of(arguments).within(FORMAT_LIMIT).run();
    }
}
