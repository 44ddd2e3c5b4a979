package dev.wrenn.simhost;

import dev.wrenn.base.Command;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.ProcessEvent.Channel;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.contract.guest.PtySize;
import dev.wrenn.contract.guest.Signal;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Programs of this machine, as child processes: each in a session of its own, so that it can be
 * signalled, stopped and ended with all it started. For tests that say themselves what runs: a
 * program sees the machine's own file system, and its working directory is all that the guest has.
 */
public final class ChildPrograms implements Programs {
    private static final int CHUNK_BYTES = 32 << 10;
    private static final int SIGNALLED_FROM = 128; // how the JDK tells a death by signal
    private static final int SIGNALLED_TO = 128 + 31;
    private static final int LONGEST_GRACE_MS = 5_000;

    @Override
    public Running start(ProcessStart order, Surroundings surroundings, Output output) {
        var builder = new ProcessBuilder(commandLine(order));
        builder.directory(surroundings.directory().toFile());
        builder.environment().clear();
        builder.environment()
                .put("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        builder.environment().put("HOME", surroundings.home().toString());
        builder.environment().putAll(surroundings.environment());
        if (order.pty().isEmpty()) {
            builder.redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()));
        } else {
            builder.environment().putIfAbsent("TERM", "xterm-256color");
            builder.redirectErrorStream(true);
        }
        Process process;
        try {
            process = builder.start();
        } catch (IOException e) {
            throw new WrennException(Kind.INVALID, "cannot run " + order.command(), e);
        }
        var child = new Child(process);
        child.follow(order, output);
        return child;
    }

    /** setsid(1) makes the session and stays the process; script(1) makes the terminal. */
    private static List<String> commandLine(ProcessStart order) {
        var line = new ArrayList<>(List.of("setsid"));
        if (order.pty().isPresent()) {
            var size = order.pty().get();
            var inner =
                    new StringBuilder(
                            "stty cols %d rows %d; exec".formatted(size.columns(), size.rows()));
            inner.append(' ').append(quoted(order.command()));
            order.arguments().forEach(a -> inner.append(' ').append(quoted(a)));
            line.addAll(List.of("script", "-q", "-e", "-f", "-c", inner.toString(), "/dev/null"));
        } else {
            line.add(order.command());
            line.addAll(order.arguments());
        }
        return line;
    }

    private static String quoted(String text) {
        return "'" + text.replace("'", "'\\''") + "'";
    }

    private static final class Child implements Running {
        private final Process process;
        private final List<Loop> pumps = new ArrayList<>();

        Child(Process process) {
            this.process = process;
        }

        void follow(ProcessStart order, Output output) {
            var name = "sim-process-" + process.pid();
            if (order.pty().isPresent()) {
                pumps.add(pump(name, process.getInputStream(), Channel.PTY, output));
            } else {
                pumps.add(pump(name, process.getInputStream(), Channel.STDOUT, output));
                pumps.add(pump(name, process.getErrorStream(), Channel.STDERR, output));
            }
            var _ = Loop.once(name + "-end", () -> awaitEnd(order.drainGrace(), output));
        }

        private static Loop pump(String name, InputStream from, Channel channel, Output output) {
            return Loop.once(
                    name + "-" + channel,
                    () -> {
                        var buffer = new byte[CHUNK_BYTES];
                        try {
                            for (int n = from.read(buffer); n >= 0; n = from.read(buffer)) {
                                output.wrote(channel, java.util.Arrays.copyOf(buffer, n));
                            }
                        } catch (IOException e) {
                            // The JDK closes a pipe under a reader when the process is destroyed.
                            if (!"Stream closed".equals(e.getMessage())) {
                                throw new WrennException(
                                        Kind.UNAVAILABLE, "cannot read what a process writes", e);
                            }
                        }
                    });
        }

        private void awaitEnd(Duration grace, Output output) {
            try {
                int code = process.waitFor();
                var drained = Duration.ofMillis(Math.min(grace.toMillis(), LONGEST_GRACE_MS));
                // A slow reader may hold up what was written before the end: that is not lost.
                for (var pump : pumps) {
                    var _ = pump.join(drained);
                }
                boolean isSignal = code > SIGNALLED_FROM && code <= SIGNALLED_TO;
                output.ended(isSignal ? -1 : code, isSignal ? "signal" : "exit status " + code);
            } catch (InterruptedException _) {
                Thread.currentThread().interrupt();
            }
        }

        @Override
        public int pid() {
            return (int) process.pid();
        }

        @Override
        public void signal(Signal signal) {
            send(
                    switch (signal) {
                        case TERM -> "TERM";
                        case KILL -> "KILL";
                    });
        }

        /** To the group and, for a terminal makes a session of its own, to all it started. */
        private void send(String name) {
            var line = new ArrayList<>(List.of("sh", "-c", "kill -s \"$0\" -- \"$@\"", name));
            line.add("-" + process.pid());
            process.descendants().forEach(d -> line.add(Long.toString(d.pid())));
            var _ = Command.of(line).tryRun(); // whoever is gone already is no failure
        }

        @Override
        public void type(byte[] input) {
            try {
                var terminal = process.getOutputStream();
                terminal.write(input);
                terminal.flush();
            } catch (IOException e) {
                throw new WrennException(Kind.ABSENT, "the terminal is gone", e);
            }
        }

        @Override
        public void resize(PtySize size) {
            var inside = process.toHandle().children().findFirst();
            if (inside.isEmpty()) {
                throw new WrennException(Kind.ABSENT, "the terminal is gone");
            }
            try {
                var terminal =
                        Files.readSymbolicLink(
                                Path.of("/proc", Long.toString(inside.get().pid()), "fd", "0"));
                Command.of(
                                "stty",
                                "-F",
                                terminal.toString(),
                                "cols",
                                Integer.toString(size.columns()),
                                "rows",
                                Integer.toString(size.rows()))
                        .run();
            } catch (IOException e) {
                throw new WrennException(Kind.ABSENT, "the terminal is gone", e);
            }
        }

        @Override
        public void freeze() {
            send("STOP");
        }

        @Override
        public void thaw() {
            send("CONT");
        }

        @Override
        public void vanish() {
            send("KILL");
        }
    }
}
