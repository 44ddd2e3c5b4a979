package dev.wrenn.cli.terminal;

import java.io.Console;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;

/** Whoever may sit in front of this process. */
public final class Person {
    private static final int STDIN = 0;
    private static final int STDOUT = 1;

    private Person() {}

    /** Whether somebody types and reads, rather than a script. */
    public static boolean isThere() {
        return isTerminal(STDIN) && isTerminal(STDOUT);
    }

    /** Whether somebody types. */
    public static boolean types() {
        return isTerminal(STDIN);
    }

    /** Asks for something that is not shown; empty if nothing was typed. */
    public static String askSecret(String prompt) {
        var typed = console().readPassword("%s", prompt);
        return typed == null ? "" : new String(typed).strip();
    }

    private static Console console() {
        return Objects.requireNonNull(System.console(), "since JDK 22 there always is one");
    }

    /** Whether a descriptor of this process is a terminal (proc(5), /proc/pid/fd). */
    static boolean isTerminal(int descriptor) {
        try {
            var target = Files.readSymbolicLink(Path.of("/proc/self/fd/" + descriptor)).toString();
            return target.startsWith("/dev/pts/") || target.startsWith("/dev/tty");
        } catch (IOException _) {
            return false; // nobody can look at what cannot be found
        }
    }
}
