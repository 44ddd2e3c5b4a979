package dev.wrenn.cli;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Command;
import dev.wrenn.base.CommandFailed;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.folder.ServerRecord;
import dev.wrenn.linux.LinuxException;
import dev.wrenn.linux.Reflink;
import dev.wrenn.linux.UserfaultSupport;
import dev.wrenn.vmm.choice.FirecrackerSearch;
import dev.wrenn.vmm.choice.VmmSelection;
import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** What the doctor looks at, each by trying it: that a file exists does not mean that it works. */
final class MachineChecks {
    private static final ByteSize NEEDED = ByteSize.gib(3);
    private static final ByteSize COMFORTABLE = ByteSize.gib(20);
    private static final Duration LIMIT = Duration.ofSeconds(10);

    private MachineChecks() {}

    static Finding root() {
        return "root".equals(System.getProperty("user.name"))
                ? Finding.ok("root", "we are root")
                : Finding.failed(
                        "root",
                        "we are " + System.getProperty("user.name"),
                        "run it with sudo: network namespaces, mounts and VMs need root");
    }

    static Finding qemu() {
        return version(
                "qemu",
                "qemu-system-x86_64",
                Finding.failed(
                        "qemu",
                        "qemu-system-x86_64 is not installed",
                        "`wrenn up` installs it, or: apt-get install qemu-system-x86"));
    }

    static Finding firecracker(Path dataFolder) {
        var found = FirecrackerSearch.of(dataFolder).look();
        return found.binary()
                .map(binary -> Finding.ok("firecracker", "found at " + binary))
                .orElseGet(() ->
                        Finding.note(
                                "firecracker",
                                String.join("; ", found.reasons()),
                                "`wrenn up --with-firecracker VERSION` installs one; needs KVM"));
    }

    /** Which VMM capsules get, found out by running a guest of a few instructions. */
    static Finding vmm(Path dataFolder) {
        try {
            var probe = VmmSelection.probe(FirecrackerSearch.of(dataFolder));
            var why = String.join("; ", probe.reasons());
            return switch (probe.kind()) {
                case FIRECRACKER -> Finding.ok("vmm", "Firecracker: " + why);
                case QEMU_KVM -> Finding.ok("vmm", "QEMU with KVM: " + why);
                case QEMU_TCG ->
                        Finding.note(
                                "vmm",
                                "QEMU with TCG: " + why,
                                "a machine with working KVM runs capsules at full speed");
            };
        } catch (WrennException e) {
            return Finding.failed("vmm", "no VMM runs here: " + e.shownMessage(), "see qemu above");
        }
    }

    private static Finding version(String name, String program, Finding otherwise) {
        try {
            var output = Command.of(program, "--version").within(LIMIT).run().stdout();
            return Finding.ok(name, output.lines().findFirst().orElse(program));
        } catch (CommandFailed _) {
            return otherwise;
        }
    }

    static Finding userfaultfd() {
        var support = UserfaultSupport.probe();
        if (support.isComplete()) {
            return Finding.ok("userfaultfd", "works, with all features that the pager uses");
        }
        if (support.problem().isEmpty()) {
            return Finding.failed(
                    "userfaultfd",
                    "this kernel (%s) lacks %s"
                            .formatted(
                                    System.getProperty("os.version"),
                                    String.join(", ", support.missing())),
                    "Linux 6.7 or newer has them; on Debian 12 take a kernel from backports");
        }
        return Finding.failed(
                "userfaultfd",
                support.problem(),
                "run as root on a kernel with CONFIG_USERFAULTFD");
    }

    /** Makes a namespace with a link, a TAP and a rule in it, and removes it. */
    static List<Finding> network() {
        var name = "wrenn-doctor-" + ProcessHandle.current().pid();
        try {
            Command.of("ip", "netns", "add", name).within(LIMIT).run();
        } catch (CommandFailed e) {
            return List.of(
                    Finding.failed(
                            "netns",
                            e.shownMessage(),
                            "network namespaces need root and CONFIG_NET_NS, and iproute2"));
        }
        try {
            return List.of(
                    tried(
                            "netns",
                            "namespaces and veth pairs work",
                            "the kernel module veth is needed",
                            Command.of(
                                    "ip", "-n", name, "link", "add", "va", "type", "veth", "peer",
                                    "name", "vb")),
                    tried(
                            "tun",
                            "TAP devices work",
                            "the kernel module tun and /dev/net/tun are needed",
                            Command.of("ip", "-n", name, "tuntap", "add", "tap0", "mode", "tap")),
                    tried(
                            "nftables",
                            "tables, NAT and masquerading work",
                            "install nftables; the kernel needs nf_tables and nft_nat",
                            Command.of("ip", "netns", "exec", name, "nft", "-f", "-")
                                    .input(
                                            """
                                            table ip wrenn_doctor {
                                              chain post {
                                                type nat hook postrouting priority 100;
                                                masquerade
                                              }
                                            }
                                            """)));
        } finally {
            Command.of("ip", "netns", "delete", name).within(LIMIT).run();
        }
    }

    private static Finding tried(String name, String works, String remedy, Command command) {
        try {
            command.within(LIMIT).run();
            return Finding.ok(name, works);
        } catch (CommandFailed e) {
            return Finding.failed(name, e.shownMessage(), remedy);
        }
    }

    static Finding disk(Path folder) {
        long freeBytes = existing(folder).toFile().getUsableSpace();
        var free = new ByteSize(freeBytes);
        var text = "%d GiB free for %s".formatted(free.toMib() / 1024, folder);
        if (free.compareTo(NEEDED) < 0) {
            return Finding.failed("disk", text, "Wrenn itself needs about 3 GiB");
        }
        return free.compareTo(COMFORTABLE) < 0
                ? Finding.note("disk", text, "each capsule keeps its changed memory and disk there")
                : Finding.ok("disk", text);
    }

    private static Path existing(Path path) {
        var folder = path;
        while (!Files.isDirectory(folder)) {
            folder = Optional.ofNullable(folder.getParent()).orElse(Path.of("/"));
        }
        return folder;
    }

    static Finding reflink(Path folder) {
        try {
            var place = Files.createTempDirectory(existing(folder), ".wrenn-doctor-");
            var source = place.resolve("a");
            var target = place.resolve("b");
            try {
                Files.write(source, new byte[1 << 16]);
                return Reflink.clone(source, target)
                        ? Finding.ok("reflink", "the file system clones files at once")
                        : withoutReflink();
            } finally {
                Files.deleteIfExists(source);
                Files.deleteIfExists(target);
                Files.delete(place);
            }
        } catch (IOException | LinuxException e) {
            return Finding.failed(
                    "reflink",
                    "cannot write to %s: %s".formatted(existing(folder), e.getMessage()),
                    "choose another data folder with --dir");
        }
    }

    private static Finding withoutReflink() {
        var remedy = "put the data folder on XFS or Btrfs to do without the image";
        return Files.exists(Path.of("/dev/loop-control"))
                ? Finding.note(
                        "reflink", "not here; disks go into a sparse XFS image instead", remedy)
                : Finding.note(
                        "reflink",
                        "not here, and no loop devices either: disks are copied",
                        remedy);
    }

    static Finding port(ListenAddress listen, Optional<ServerRecord> server) {
        if (server.isPresent() && server.get().isServing()) {
            return Finding.ok("port", "our server is on " + server.get().baseUrl());
        }
        try (var socket = new ServerSocket()) {
            socket.setReuseAddress(true); // as the server does: a recent client does not matter
            socket.bind(listen.toSocketAddress());
            return Finding.ok("port", listen + " is free");
        } catch (IOException e) {
            return Finding.failed(
                    "port",
                    "cannot listen on %s: %s".formatted(listen, e.getMessage()),
                    "choose another with --listen or WRENN_LISTEN; `ss -ltnp` shows who has it");
        }
    }
}
