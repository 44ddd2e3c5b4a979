package dev.wrenn.bench;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Pause;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.regex.Pattern;

/**
 * The VMM process of a capsule, as the machine sees it.
 *
 * @param pid its process id
 */
record VmmProcess(long pid) {
    private static final Pattern PSS = Pattern.compile("(?m)^Pss: +([0-9]+) kB$");
    private static final Duration INTERVAL = Duration.ofMillis(50);
    private static final int UTIME = 14;
    private static final int STIME = 15;
    private static final double TICKS_PER_SECOND =
            100; // sysconf(_SC_CLK_TCK) on every x86-64 Linux

    /** What it costs while its guest does nothing. */
    record Cost(double pssMib, double cpuPercent) {}

    /** Finds it by the capsule's id in its arguments. */
    static VmmProcess of(String capsule) {
        try (var processes = Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
            for (var process : processes) {
                var arguments = arguments(process);
                if (arguments.contains("qemu-system") && arguments.contains(capsule)) {
                    return new VmmProcess(Long.parseLong(process.getFileName().toString()));
                }
            }
        } catch (IOException e) {
            throw BenchFailed.because("cannot list processes", e);
        }
        throw new WrennException(Kind.ABSENT, "capsule " + capsule + " has no VMM process");
    }

    private static String arguments(Path process) {
        try {
            return Files.readString(process.resolve("cmdline"));
        } catch (IOException _) {
            return ""; // it ended meanwhile
        }
    }

    /** Looks at it for that long, after it was left alone for a while. */
    Cost idle(Duration settling, Duration window) {
        rest(settling);
        long before = ticks();
        var watch = Stopwatch.start();
        rest(window);
        double seconds = watch.elapsedNanos() / 1e9;
        return new Cost(pssMib(), (ticks() - before) / TICKS_PER_SECOND / seconds * 100);
    }

    private static void rest(Duration time) {
        Pause.until(() -> false, INTERVAL, Deadline.after(time));
    }

    private double pssMib() {
        var matcher = PSS.matcher(read("smaps_rollup"));
        if (!matcher.find()) {
            throw new WrennException(Kind.UNAVAILABLE, "the kernel does not tell a process's PSS");
        }
        return Long.parseLong(matcher.group(1)) / 1024.0;
    }

    /** User and system time (proc_pid_stat(5)); the name before may hold anything. */
    private long ticks() {
        var text = read("stat");
        var fields = text.substring(text.lastIndexOf(')') + 2).strip().split(" ", -1);
        return Long.parseLong(fields[UTIME - 3]) + Long.parseLong(fields[STIME - 3]);
    }

    private String read(String file) {
        try {
            return Files.readString(Path.of("/proc", Long.toString(pid), file));
        } catch (IOException e) {
            throw BenchFailed.because("cannot look at the VMM process", e);
        }
    }
}
