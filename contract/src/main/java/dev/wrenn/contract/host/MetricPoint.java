package dev.wrenn.contract.host;

import java.time.Instant;

/**
 * What a capsule used at one time, or on average until then.
 *
 * @param at when it was measured; of an average, its last measurement
 * @param cpuPercent share of its virtual processors' time that its VMM used since the measurement
 *     before, 0 to 100
 * @param memoryBytes what its VMM holds of the machine's memory
 * @param diskBytes what its disk takes of the volume beside what it shares with its template
 */
public record MetricPoint(Instant at, double cpuPercent, long memoryBytes, long diskBytes) {}
