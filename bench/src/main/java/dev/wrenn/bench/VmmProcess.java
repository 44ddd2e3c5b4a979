package dev.wrenn.bench;

import dev.wrenn.base.ByteSize;
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
    /**
     * A mapping's addresses and rights, and further down its proportional size (proc(5), smaps).
     */
    private static final Pattern MAPPING =
            Pattern.compile(
                    "(?m)^([0-9a-f]+)-([0-9a-f]+) (....) [^\\n]*\\n(?:[A-Z][^\\n]*\\n)*?Pss: +([0-9]+) kB$");

    private static final Duration INTERVAL = Duration.ofMillis(50);
    private static final int UTIME = 14;
    private static final int STIME = 15;
    private static final double TICKS_PER_SECOND =
            100; // sysconf(_SC_CLK_TCK) on every x86-64 Linux

    /**
     * What it costs while its guest does nothing.
     *
     * @param guestMib memory of the guest
     * @param translatedMib code that an emulator has translated; none with hardware support
     * @param ownMib everything else
     */
    record Cost(double guestMib, double translatedMib, double ownMib, double cpuPercent) {}

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
    Cost idle(ByteSize guestMemory, Duration settling, Duration window) {
        rest(settling);
        long before = ticks();
        var watch = Stopwatch.start();
        rest(window);
        double seconds = watch.elapsedNanos() / 1e9;
        return cost(guestMemory, (ticks() - before) / TICKS_PER_SECOND / seconds * 100);
    }

    /** All of its memory, what it shares with others counted in proportion. */
    double proportionalMib() {
        double sum = 0;
        for (var mapping = MAPPING.matcher(read("smaps")); mapping.find(); ) {
            sum += Long.parseLong(mapping.group(4)) / 1024.0;
        }
        return sum;
    }

    private static void rest(Duration time) {
        Pause.until(() -> false, INTERVAL, Deadline.after(time));
    }

    private Cost cost(ByteSize guestMemory, double cpuPercent) {
        double guest = 0;
        double translated = 0;
        double own = 0;
        for (var mapping = MAPPING.matcher(read("smaps")); mapping.find(); ) {
            double mib = Long.parseLong(mapping.group(4)) / 1024.0;
            long bytes =
                    Long.parseUnsignedLong(mapping.group(2), 16)
                            - Long.parseUnsignedLong(mapping.group(1), 16);
            if (bytes == guestMemory.bytes()) {
                guest += mib;
            } else if (mapping.group(3).startsWith("rwx")) {
                translated += mib;
            } else {
                own += mib;
            }
        }
        if (guest == 0) {
            throw new WrennException(Kind.UNAVAILABLE, "the guest's memory is not to be found");
        }
        return new Cost(guest, translated, own, cpuPercent);
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
