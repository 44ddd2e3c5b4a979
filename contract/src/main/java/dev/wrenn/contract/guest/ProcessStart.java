package dev.wrenn.contract.guest;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Order to start a process in a guest.
 *
 * @param command program, looked up in PATH
 * @param arguments its arguments
 * @param environment variables on top of the capsule's own
 * @param directory working directory; the user's home if absent
 * @param user who runs it; the capsule's default user if absent
 * @param tag name to find it by; must not be in use
 * @param pty size of its terminal; with none it has pipes and an empty standard input
 * @param limit after which its whole group is killed; none if absent
 * @param drainGrace how long output of left-over children is waited for after its exit
 */
public record ProcessStart(
        String command,
        List<String> arguments,
        Map<String, String> environment,
        Optional<String> directory,
        Optional<String> user,
        Optional<String> tag,
        Optional<PtySize> pty,
        Optional<Duration> limit,
        Duration drainGrace) {
    /** What is used where nothing else is said. */
    public static final Duration DEFAULT_DRAIN_GRACE = Duration.ofMillis(300);

    /** Copies the collections. */
    public ProcessStart {
        arguments = List.copyOf(arguments);
        environment = Map.copyOf(environment);
    }

    /** The same under a name to find it by. */
    public ProcessStart tagged(String name) {
        return new ProcessStart(
                command,
                arguments,
                environment,
                directory,
                user,
                Optional.of(name),
                pty,
                limit,
                drainGrace);
    }

    /** A command with pipes, no limit and nothing else. */
    public static ProcessStart of(String command, List<String> arguments) {
        return new ProcessStart(
                command,
                arguments,
                Map.of(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                DEFAULT_DRAIN_GRACE);
    }
}
