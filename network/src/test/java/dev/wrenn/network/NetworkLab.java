package dev.wrenn.network;

import dev.wrenn.base.Command;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Resource;
import dev.wrenn.base.UndoStack;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * A network around the host for the tests of slots: an outside machine that the host can reach at a
 * public and at a private address, and guests that hold the taps of slots. All real namespaces; the
 * machines are processes of {@code guest.c}.
 */
final class NetworkLab implements Resource {
    private final UndoStack undo = new UndoStack();
    private final Path folder;
    private final Path program;

    /** Starts every name of this lab. */
    final String prefix = "t" + Integer.toString(new SecureRandom().nextInt(36 * 36 * 36), 36);

    /** Third byte of the outside networks, so that labs can stand side by side. */
    private final int number = new SecureRandom().nextInt(256);

    final String outside = prefix + "x-out";
    private int guests;

    NetworkLab(Path folder) {
        this.folder = folder;
        this.program = folder.resolve("guest");
        try (var source = NetworkLab.class.getResourceAsStream("/guest.c")) {
            var file = Files.write(folder.resolve("guest.c"), source.readAllBytes());
            Command.of("gcc", "-Wall", "-Werror", "-O1", "-o", program.toString(), file.toString())
                    .run();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        try {
            buildOutside();
        } catch (RuntimeException e) {
            undo.close();
            throw e;
        }
    }

    /** Address of the outside machine that guests may reach. */
    String outsidePublic() {
        return "203.%d.113.2".formatted(number);
    }

    /** Address of the host on the public network. */
    String hostPublic() {
        return "203.%d.113.1".formatted(number);
    }

    /** Address of the outside machine that guests must not reach. */
    String outsidePrivate() {
        return "172.31.%d.2".formatted(number);
    }

    /** Address of the host on the private network. */
    String hostPrivate() {
        return "172.31.%d.1".formatted(number);
    }

    NetworkConfig config() {
        return NetworkConfig.DEFAULTS
                .withPrefix(prefix)
                .withPoolSize(1)
                .withMaxSlots(8)
                .withStateFolder(folder.resolve("run"))
                .withResolvers(List.of(Cidr.parse(outsidePrivate()).address()));
    }

    /** A pool that the lab closes. */
    SlotPool pool(NetworkConfig config) {
        return undo.hold(SlotPool.open(config));
    }

    static Deadline soon() {
        return Deadline.after(Duration.ofSeconds(20));
    }

    /** A guest on the tap of the slot; returns its namespace. */
    String guest(Slot slot) {
        var namespace = prefix + "x-g" + guests++;
        addNamespace(namespace);
        start(List.of("join", slot.namespace(), namespace));
        inside(
                namespace,
                """
                link set dev tap0 address %s
                addr add %s/30 dev tap0
                link set dev tap0 up
                link set dev lo up
                route add default via %s
                """
                        .formatted(slot.macAddress(), Slot.GUEST_ADDRESS, Slot.GATEWAY_ADDRESS));
        return namespace;
    }

    /** A server on that port; the name empty means the host itself. */
    Resource serve(String namespace, int port) {
        return start(in(namespace, List.of("serve", Integer.toString(port))));
    }

    /** What a TCP server there answers to somebody in the namespace. */
    String dial(String namespace, String address, int port) {
        return run(in(namespace, List.of("dial", address, Integer.toString(port))));
    }

    /** What a UDP server there answers. */
    String ask(String namespace, String address, int port, int ownPort) {
        return run(
                in(
                        namespace,
                        List.of(
                                "ask",
                                address,
                                Integer.toString(port),
                                Integer.toString(ownPort))));
    }

    void inside(String namespace, String batch) {
        Command.of("ip", "-n", namespace, "-batch", "-").input(batch).run();
    }

    @Override
    public void close() {
        undo.close();
    }

    private void buildOutside() {
        addNamespace(outside);
        var link = prefix + "x";
        Command.of("ip", "-batch", "-")
                .input(
                        """
                        link add %1$s type veth peer name eth0 netns %2$s
                        addr add %3$s/24 dev %1$s
                        addr add %4$s/24 dev %1$s
                        link set dev %1$s up
                        """
                                .formatted(link, outside, hostPublic(), hostPrivate()))
                .run();
        undo.undo(() -> Command.of("ip", "link", "del", link).run());
        inside(
                outside,
                """
                addr add %s/24 dev eth0
                addr add %s/24 dev eth0
                link set dev eth0 up
                """
                        .formatted(outsidePublic(), outsidePrivate()));
    }

    private void addNamespace(String namespace) {
        Command.of("ip", "netns", "add", namespace).run();
        undo.undo(() -> Command.of("ip", "netns", "del", namespace).run());
    }

    private List<String> in(String namespace, List<String> words) {
        var command = new ArrayList<String>();
        if (!namespace.isEmpty()) {
            command.addAll(List.of("ip", "netns", "exec", namespace));
        }
        command.add(program.toString());
        command.addAll(words);
        return command;
    }

    private String run(List<String> command) {
        return Command.of(command).tryRun().stdout().strip();
    }

    private Resource start(List<String> words) {
        var command = words.getFirst().equals("join") ? in("", words) : words;
        try {
            var process = new ProcessBuilder(command).redirectErrorStream(true).start();
            var isEnded = new boolean[1];
            Resource end =
                    () -> {
                        if (!isEnded[0]) {
                            isEnded[0] = true;
                            process.destroyForcibly();
                            process.onExit().join();
                        }
                    };
            undo.hold(end);
            var line =
                    new BufferedReader(
                                    new InputStreamReader(
                                            process.getInputStream(), StandardCharsets.UTF_8))
                            .readLine();
            if (!"ready".equals(line)) {
                throw new AssertionError(command + " said " + line);
            }
            return end;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
