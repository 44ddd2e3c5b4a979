package dev.wrenn.cli;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Termination;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.client.ApiFailure;
import dev.wrenn.cli.remote.AuthCommand;
import dev.wrenn.cli.remote.CapsuleCommand;
import dev.wrenn.cli.remote.CompletionCommand;
import dev.wrenn.cli.remote.TemplateCommand;
import dev.wrenn.host.capsule.HostConfig;
import java.time.Duration;
import java.util.Objects;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The wrenn command. The script of that name checks and builds, then hands over to this. */
@Command(
        name = "wrenn",
        subcommands = {
            UpCommand.class,
            DemoCommand.class,
            DownCommand.class,
            StatusCommand.class,
            KeyCommand.class,
            DoctorCommand.class,
            SnapshotCommand.class,
            BenchCommand.class,
            AuthCommand.class,
            CapsuleCommand.class,
            TemplateCommand.class,
            CompletionCommand.class,
            TrainCommand.class
        },
        description = "Capsules that pause and resume.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
public final class Main {
    private static final int FAILED = 1;
    private static final int MISUSED = 2;

    /** Longer than the pauses of all capsules that a server waits for when it is stopped. */
    private static final Duration END_LIMIT = Duration.ofMinutes(30);

    /** For picocli. */
    Main() {}

    /** Runs one command and ends the process with its exit code. */
    public static void main(String[] arguments) {
        System.exit(Termination.run(END_LIMIT, () -> run(arguments)));
    }

    /** Exit codes: 0 success, 1 failure, 2 misuse or a wrong configuration. */
    static int run(String... arguments) {
        var line = new CommandLine(new Main());
        setVersion(line);
        // What follows the capsule's id belongs to the command that is run in it.
        below(below(line, "capsule"), "exec").setStopAtPositional(true);
        below(below(line, "capsule"), "shell").setStopAtPositional(true);
        return line.setExecutionExceptionHandler((e, _, _) -> explain(e)).execute(arguments);
    }

    private static void setVersion(CommandLine line) {
        line.getCommandSpec().version("wrenn " + HostConfig.VERSION);
        line.getSubcommands().values().forEach(Main::setVersion);
    }

    private static CommandLine below(CommandLine line, String name) {
        return Objects.requireNonNull(line.getSubcommands().get(name), name);
    }

    /** The one place where a failure becomes words on the terminal and an exit code. */
    private static int explain(Exception failure) {
        if (!(failure instanceof WrennException known)) {
            failure.printStackTrace();
            return FAILED;
        }
        System.err.println("wrenn: " + known.shownMessage());
        for (var cause = known.getCause(); cause != null; cause = cause.getCause()) {
            var text = cause.getMessage() == null ? cause.toString() : cause.getMessage();
            System.err.println("       because: " + text);
        }
        if (known instanceof ApiFailure refused) {
            return refused.exitCode();
        }
        return switch (known.kind()) {
            case INVALID -> MISUSED;
            case BUG -> {
                known.printStackTrace();
                yield FAILED;
            }
            case ABSENT, CONFLICT, WRONG_STATE, EXHAUSTED, UNAVAILABLE, CORRUPT -> FAILED;
        };
    }

    static WrennException absent(String message) {
        return new WrennException(Kind.ABSENT, message);
    }
}
