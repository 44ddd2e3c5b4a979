package dev.wrenn.control.build;

import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.contract.guest.ProcessEvent;
import dev.wrenn.contract.guest.ProcessStart;
import java.io.InputStream;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.Supplier;

/** The guest that a build runs in. Used by one thread. */
final class BuildGuest implements AutoCloseable {
    /** Where the archive's files are for COPY. */
    static final String FILES = "/tmp/build-files";

    private static final String ARCHIVE = "/tmp/build-files.tar.gz";
    private static final Duration UNPACK_LIMIT = Duration.ofMinutes(10);

    private final Supplier<GuestSession> sessions;
    private GuestSession session;

    BuildGuest(Supplier<GuestSession> sessions) {
        this.sessions = sessions;
        this.session = sessions.get();
    }

    /** Does something to the capsule that nobody may talk to meanwhile. */
    void apart(Runnable work) {
        session.close();
        work.run();
        session = sessions.get();
    }

    /**
     * What to run.
     *
     * @param user who runs it; the capsule's default user if absent
     * @param directory where; the user's home if absent
     */
    record Order(
            List<String> command,
            Optional<String> user,
            Optional<String> directory,
            Map<String, String> environment,
            Duration limit) {
        /** A shell script as the superuser, with positional parameters from {@code $1} on. */
        static Order asRoot(String script, Duration limit, String... parameters) {
            var command = new java.util.ArrayList<>(List.of("/bin/sh", "-c", script, "sh"));
            command.addAll(List.of(parameters));
            return new Order(command, Optional.of("root"), Optional.of("/"), Map.of(), limit);
        }

        private ProcessStart start(Optional<Duration> within) {
            return new ProcessStart(
                    command.getFirst(),
                    command.subList(1, command.size()),
                    environment,
                    directory,
                    user,
                    Optional.empty(),
                    Optional.empty(),
                    within,
                    ProcessStart.DEFAULT_DRAIN_GRACE);
        }
    }

    /**
     * What came of a command.
     *
     * @param exitCode its exit code; -1 if it was killed
     */
    record Outcome(int exitCode, String stdout, String stderr) {
        /** Something that needed no command. */
        static final Outcome DONE = new Outcome(0, "", "");

        boolean isSuccess() {
            return exitCode == 0;
        }
    }

    /** Runs a command to its end; what it writes is also handed on as it comes. */
    Outcome run(Order order, BiConsumer<ProcessEvent.Channel, String> live) {
        var stdout = new StepOutput(text -> live.accept(ProcessEvent.Channel.STDOUT, text));
        var stderr = new StepOutput(text -> live.accept(ProcessEvent.Channel.STDERR, text));
        int exitCode = -1;
        var why = "";
        try (var process = session.start(order.start(Optional.of(order.limit())))) {
            for (var event = process.next(); event.isPresent(); event = process.next()) {
                switch (event.get()) {
                    case ProcessEvent.Started _ -> {}
                    case ProcessEvent.Output(var channel, var bytes) ->
                            (channel == ProcessEvent.Channel.STDERR ? stderr : stdout).add(bytes);
                    case ProcessEvent.Ended(var code, var status, var timedOut) -> {
                        exitCode = code;
                        if (timedOut) {
                            why = "killed after %d ms\n".formatted(order.limit().toMillis());
                        } else if (code < 0) {
                            why = status + "\n";
                        }
                    }
                }
            }
        }
        return new Outcome(exitCode, stdout.end(), stderr.end() + why);
    }

    /** Runs a command of our own, whose output nobody follows. */
    Outcome run(Order order) {
        return run(order, (_, _) -> {});
    }

    /** Starts a program that goes on. */
    void launch(Order order) {
        try (var process = session.start(order.start(Optional.empty()))) {
            process.next();
        }
    }

    /** Puts the archive's files where COPY takes them from. */
    Outcome unpack(InputStream archive) {
        session.write(ARCHIVE, 0, archive);
        return run(
                Order.asRoot(
                        "rm -rf \"$1\" && mkdir -p \"$1\" && tar -xzf \"$2\" -C \"$1\" --no-same-owner && rm \"$2\"",
                        UNPACK_LIMIT,
                        FILES,
                        ARCHIVE));
    }

    @Override
    public void close() {
        session.close();
    }
}
