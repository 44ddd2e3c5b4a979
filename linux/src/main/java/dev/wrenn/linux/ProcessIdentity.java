package dev.wrenn.linux;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A process, told apart from any later one that gets the same number.
 *
 * @param pid its number
 * @param startTicks when it started, in clock ticks since boot (proc_pid_stat(5), field 22)
 */
public record ProcessIdentity(long pid, long startTicks) {
    private static final int FIELDS_AFTER_NAME_UP_TO_START = 19;
    private static final int FIELD_STATE = 0;

    /** The process that has this number now, if any. */
    public static Optional<ProcessIdentity> of(long pid) {
        var ticks = startTicksOf(pid);
        return ticks.isPresent()
                ? Optional.of(new ProcessIdentity(pid, ticks.getAsLong()))
                : Optional.empty();
    }

    /** A child that nobody has waited for, so that it has an identity even if it ended already. */
    static ProcessIdentity ofChild(long pid) {
        var ticks = fields(pid).map(ProcessIdentity::startTicks);
        return new ProcessIdentity(
                pid,
                ticks.orElseThrow(
                        () -> new WrennException(Kind.BUG, "child " + pid + " was reaped")));
    }

    /** Whether it still exists and is more than a zombie. */
    public boolean isAlive() {
        var now = startTicksOf(pid);
        return now.isPresent() && now.getAsLong() == startTicks;
    }

    private static OptionalLong startTicksOf(long pid) {
        return fields(pid).stream()
                .filter(f -> !f[FIELD_STATE].equals("Z") && !f[FIELD_STATE].equals("X"))
                .mapToLong(ProcessIdentity::startTicks)
                .findFirst();
    }

    private static long startTicks(String[] fields) {
        return Long.parseLong(fields[FIELDS_AFTER_NAME_UP_TO_START]);
    }

    /** The fields of proc_pid_stat(5) after the name; empty if there is no such process. */
    private static Optional<String[]> fields(long pid) {
        if (pid <= 0) {
            return Optional.empty();
        }
        String stat;
        try {
            stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
        } catch (IOException _) {
            return Optional.empty(); // it ended
        }
        // The name stands in parentheses and may itself hold any character.
        return Optional.of(stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1));
    }
}
