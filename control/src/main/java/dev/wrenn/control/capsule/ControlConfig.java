package dev.wrenn.control.capsule;

/**
 * Limits of the control plane.
 *
 * @param maxVcpus most virtual processors of a capsule
 * @param minMemoryMb least memory of a capsule, MiB
 * @param maxMemoryMb most memory of a capsule, MiB
 * @param maxTimeoutSec longest inactivity limit, seconds
 * @param capsulesPerTeam most capsules of a team that are not destroyed
 * @param maxJsonBytes longest JSON body
 */
public record ControlConfig(
        int maxVcpus,
        int minMemoryMb,
        int maxMemoryMb,
        long maxTimeoutSec,
        int capsulesPerTeam,
        int maxJsonBytes) {
    /** What is used where nothing else is said. */
    public static final ControlConfig DEFAULTS =
            new ControlConfig(8, 128, 16_384, 30L * 24 * 3600, 200, 1 << 20);

    /** Checks ranges. */
    public ControlConfig {
        require(maxVcpus >= 1 && maxVcpus <= 64, "max-vcpus must be 1 to 64");
        require(minMemoryMb >= 64 && minMemoryMb <= maxMemoryMb, "min-memory-mb must be 64 to max");
        require(maxTimeoutSec >= 1, "max-timeout-sec must be at least 1");
        require(capsulesPerTeam >= 1, "capsules-per-team must be at least 1");
        require(maxJsonBytes >= 1024, "max-json-bytes must be at least 1024");
    }

    private static void require(boolean holds, String problem) {
        if (!holds) {
            throw new IllegalArgumentException(problem);
        }
    }
}
