package dev.wrenn.vmm.qemu;

import dev.wrenn.base.Command;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.nio.file.Path;

/**
 * The frequency of this machine's time stamp counter.
 *
 * <p>Under TCG a guest reads the host's counter (QEMU softmmu/cpu-timers.c, cpu_get_ticks) and must
 * be told how fast it runs. Linux shows it nowhere reliably: {@code cpu MHz} is the clock of the
 * core, and the kernel's log is lost after a while. So a small program measures it.
 */
final class TscProbe {
    private static final long LOWEST_KHZ = 100_000;
    private static final long HIGHEST_KHZ = 20_000_000;

    private TscProbe() {}

    static long khz(Path program) {
        var output = Command.of(program.toString()).run().stdout().strip();
        long khz;
        try {
            khz = Long.parseLong(output);
        } catch (NumberFormatException e) {
            throw new WrennException(Kind.BUG, "the clock probe did not print a number", e);
        }
        if (khz < LOWEST_KHZ || khz > HIGHEST_KHZ) {
            throw new WrennException(
                    Kind.UNAVAILABLE, "the time stamp counter cannot run at " + khz + " kHz");
        }
        return khz;
    }
}
