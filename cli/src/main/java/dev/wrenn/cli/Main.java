package dev.wrenn.cli;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Termination;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.remote.AuthCommand;
import dev.wrenn.cli.remote.CapsuleCommand;
import dev.wrenn.cli.remote.CompletionCommand;
import dev.wrenn.cli.remote.TemplateCommand;
import dev.wrenn.cli.tree.Branch;
import dev.wrenn.host.capsule.HostConfig;
import java.time.Duration;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The wrenn command. The script of that name checks and builds, then hands over to this. */
@Command(
        name = "wrenn",
        description = "Capsules that pause and resume.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
public final class Main {
    private static final List<Branch> BRANCHES =
            List.of(
                    Branch.of(UpCommand.class, "up"),
                    Branch.of(DemoCommand.class, "demo"),
                    Branch.of(DownCommand.class, "down"),
                    Branch.of(StatusCommand.class, "status"),
                    Branch.of(KeyCommand.class, "key"),
                    Branch.of(DoctorCommand.class, "doctor"),
                    Branch.of(SnapshotCommand.class, "snapshot"),
                    Branch.of(BenchCommand.class, "bench"),
                    Branch.of(AuthCommand.class, "auth"),
                    CapsuleCommand.BRANCH,
                    Branch.of(TemplateCommand.class, "template", "t"),
                    Branch.of(CompletionCommand.class, CompletionCommand.NAME),
                    Branch.of(TrainCommand.class, "train"));

    /** Longer than the pauses of all capsules that a server waits for when it is stopped. */
    private static final Duration END_LIMIT = Duration.ofMinutes(30);

    /** For picocli. */
    Main() {}

    /** Runs one command and ends the process with its exit code. */
    public static void main(String[] arguments) {
        System.exit(Termination.run(END_LIMIT, () -> run(arguments)));
    }

    /** Exit codes: 0 success, else as {@link Failures} has them. */
    static int run(String... arguments) {
        return line(List.of(arguments))
                .setExecutionExceptionHandler(Failures::explain)
                .setParameterExceptionHandler(Failures::explainMisuse)
                .execute(arguments);
    }

    /** The commands that those words need. */
    static CommandLine line(List<String> words) {
        var line = new CommandLine(new Main());
        // A completion is of all commands, whatever it was asked with.
        boolean isOfAll = !words.isEmpty() && words.getFirst().equals(CompletionCommand.NAME);
        Branch.grow(line, BRANCHES, isOfAll ? List.of() : words);
        setVersion(line);
        return line;
    }

    private static void setVersion(CommandLine line) {
        line.getCommandSpec().version("wrenn " + HostConfig.VERSION);
        line.getSubcommands().values().forEach(Main::setVersion);
    }

    static WrennException absent(String message) {
        return new WrennException(Kind.ABSENT, message);
    }
}
