package dev.wrenn.linux;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
    public static java.util.Optional<ProcessIdentity> of(long pid) {
        var ticks = startTicksOf(pid);
        return ticks.isPresent()
                ? java.util.Optional.of(new ProcessIdentity(pid, ticks.getAsLong()))
                : java.util.Optional.empty();
    }

    /** Whether it still exists and is more than a zombie. */
    public boolean isAlive() {
        var now = startTicksOf(pid);
        return now.isPresent() && now.getAsLong() == startTicks;
    }

    private static OptionalLong startTicksOf(long pid) {
        if (pid <= 0) {
            return OptionalLong.empty();
        }
        String stat;
        try {
            stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
        } catch (IOException _) {
            return OptionalLong.empty(); // it ended
        }
        // The name stands in parentheses and may itself hold any character.
        var fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
        if (fields[FIELD_STATE].equals("Z") || fields[FIELD_STATE].equals("X")) {
            return OptionalLong.empty();
        }
        return OptionalLong.of(Long.parseLong(fields[FIELDS_AFTER_NAME_UP_TO_START]));
    }
}
