package dev.wrenn.cli.tree;

import java.util.List;
import java.util.Objects;
import picocli.CommandLine;

/**
 * A command and those below it, not built yet. To build one takes reflection over its annotations,
 * as long as some hundredths of a second for all of them, so a line of words builds only the
 * commands that it names.
 *
 * @param names its name, then its aliases, as its annotation has them
 * @param type what picocli makes it of; names no subcommands itself if there are any here
 * @param branches the commands below it
 * @param rest to whom the words belong that follow its first positional parameter
 */
public record Branch(List<String> names, Class<?> type, List<Branch> branches, Rest rest) {
    /** Whose words those are that follow the first positional parameter. */
    public enum Rest {
        /** The command's: options may follow. */
        OWN,
        /** Another program's: they are taken as they are. */
        FOREIGN
    }

    /** Takes copies. */
    public Branch {
        names = List.copyOf(names);
        branches = List.copyOf(branches);
    }

    /** A command without others below, or whose annotations name them. */
    public static Branch of(Class<?> type, String... names) {
        return new Branch(List.of(names), type, List.of(), Rest.OWN);
    }

    /** With those commands below it. */
    public Branch with(List<Branch> below) {
        return new Branch(names, type, below, rest);
    }

    /** With a program's words behind its first positional parameter. */
    public Branch beforeForeignWords() {
        return new Branch(names, type, branches, Rest.FOREIGN);
    }

    /**
     * Builds below a command the one that the first word names and what the next words name below
     * it, or all of them if it names none: they are wanted for a list or a suggestion then.
     */
    public static void grow(CommandLine parent, List<Branch> branches, List<String> words) {
        for (var branch : branches) {
            if (!words.isEmpty() && branch.names.contains(words.getFirst())) {
                branch.build(parent, words.subList(1, words.size()));
                return;
            }
        }
        branches.forEach(branch -> branch.build(parent, List.of()));
    }

    private void build(CommandLine parent, List<String> words) {
        var name = names.getFirst();
        parent.addSubcommand(name, type);
        var line = Objects.requireNonNull(parent.getSubcommands().get(name), name);
        line.setStopAtPositional(rest == Rest.FOREIGN);
        grow(line, branches, words);
    }
}
