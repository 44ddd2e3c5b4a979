package dev.wrenn.cli.remote;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Teaches a shell the commands. */
@Command(
        name = CompletionCommand.NAME,
        description = "Prints a script that completes commands and options in bash and zsh.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example: source <(wrenn completion)"})
public final class CompletionCommand implements Callable<Integer> {
    /** Its name. */
    public static final String NAME = "completion";

    @Spec private CommandSpec spec = CommandSpec.create();

    /** For picocli. */
    public CompletionCommand() {}

    @Override
    public Integer call() {
        System.out.print(AutoComplete.bash("wrenn", spec.root().commandLine()));
        return 0;
    }
}
