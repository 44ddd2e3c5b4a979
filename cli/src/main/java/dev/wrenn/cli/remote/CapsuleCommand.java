package dev.wrenn.cli.remote;

import dev.wrenn.cli.client.ApiClient;
import dev.wrenn.cli.tree.Branch;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;

/** Life of capsules; each subcommand is a class of its own. */
@Command(
        name = "capsule",
        aliases = "c",
        description = "Creates, looks at, uses and ends capsules.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        footer = {
            "",
            "Exit codes: 0 success, 1 failure, 2 misuse, 3 the key is not accepted, 4 there is no"
                    + " such thing, 5 its state forbids it. `exec` and `shell` end with the exit"
                    + " code of what they ran, 125 if it could not be run."
        })
public final class CapsuleCommand {
    /** The command with all that are below it, in the order in which its help lists them. */
    public static final Branch BRANCH =
            Branch.of(CapsuleCommand.class, "capsule", "c")
                    .with(
                            List.of(
                                    Branch.of(CreateCommand.class, "create"),
                                    Branch.of(ListCommand.class, "list", "ls"),
                                    Branch.of(GetCommand.class, "get"),
                                    Branch.of(ExecCommand.class, "exec").beforeForeignWords(),
                                    Branch.of(ShellCommand.class, "shell").beforeForeignWords(),
                                    Branch.of(CopyCommand.class, "cp"),
                                    Branch.of(LogsCommand.class, "logs"),
                                    Branch.of(PortsCommand.class, "ports"),
                                    Branch.of(PauseCommand.class, "pause"),
                                    Branch.of(ResumeCommand.class, "resume"),
                                    Branch.of(RemoveCommand.class, "rm"),
                                    Branch.of(CheckpointCommand.class, "checkpoint"),
                                    Branch.of(CheckpointsCommand.class, "checkpoints"),
                                    Branch.of(RollbackCommand.class, "rollback"),
                                    Branch.of(ForkCommand.class, "fork"),
                                    Branch.of(SnapshotCommand.class, "snapshot"),
                                    Branch.of(MetricsCommand.class, "metrics"),
                                    Branch.of(StatsCommand.class, "stats"),
                                    Branch.of(UsageCommand.class, "usage")));

    static final Duration LIMIT = Duration.ofSeconds(30);

    /** Creating may boot a shape that is new, a pause writes all that changed. */
    static final Duration LIFECYCLE_LIMIT = Duration.ofMinutes(10);

    /** For picocli. */
    public CapsuleCommand() {}

    static String path(String id) {
        return "/v1/capsules/" + ApiClient.escaped(id);
    }

    /** Asks a capsule to take a step of its life that needs no more words. */
    static RemoteOptions.Act step(ApiClient api, String name) {
        return id -> api.post(path(id) + "/" + name, Map.of(), LIFECYCLE_LIMIT);
    }
}
