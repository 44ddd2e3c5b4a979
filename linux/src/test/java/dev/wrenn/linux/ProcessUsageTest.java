package dev.wrenn.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

/** What this very process uses, against what the JVM says of itself. */
class ProcessUsageTest {
    private static final long MIB = 1L << 20;

    /** The JVM counts in ticks; two of them, because it adds up two rounded numbers. */
    private static final long TICK_NANOS = 20_000_000L;

    private final ProcessIdentity self =
            ProcessIdentity.of(ProcessHandle.current().pid()).orElseThrow();

    @Test
    void time_is_that_of_all_threads_of_the_process() {
        var jvm =
                ManagementFactory.getPlatformMXBean(com.sun.management.OperatingSystemMXBean.class);

        long before = jvm.getProcessCpuTime();
        long measured = ProcessUsage.of(self).orElseThrow().cpuNanos();
        long after = jvm.getProcessCpuTime();

        assertThat(measured).isBetween(before - TICK_NANOS, after + TICK_NANOS);
    }

    @Test
    void memory_that_is_touched_is_counted() {
        long before = ProcessUsage.of(self).orElseThrow().residentBytes();
        try (var arena = Arena.ofConfined()) {
            arena.allocate(64 * MIB).fill((byte) 1);

            assertThat(ProcessUsage.of(self).orElseThrow().residentBytes())
                    .isGreaterThan(before + 48 * MIB);
        }
    }

    @Test
    void a_process_that_ended_has_no_usage() {
        assertThat(ProcessUsage.of(new ProcessIdentity(Integer.MAX_VALUE, 1))).isEmpty();
    }
}
