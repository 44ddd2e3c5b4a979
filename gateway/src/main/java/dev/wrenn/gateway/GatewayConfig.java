package dev.wrenn.gateway;

import java.time.Duration;

/**
 * Limits of the gateway.
 *
 * @param idleLimit a proxied request or connection on which no byte moves for that long is ended
 * @param pooledLimit how long an unused connection to a guest is kept for the next request; shorter
 *     than what web servers use, so that it is not they who close it while a request is on its way
 * @param connectLimit how long to go on trying to connect while nothing listens, which bridges the
 *     moment in which a service starts
 * @param connectionsPerPort most connections to one port of one capsule
 */
public record GatewayConfig(
        Duration idleLimit, Duration pooledLimit, Duration connectLimit, int connectionsPerPort) {
    /** What is used where nothing else is said. */
    public static final GatewayConfig DEFAULTS =
            new GatewayConfig(
                    Duration.ofMinutes(15),
                    Duration.ofMillis(1_500),
                    Duration.ofMillis(600),
                    1_024);

    /** Checks ranges. */
    public GatewayConfig {
        require(idleLimit.toMillis() >= 1, "idle-limit must be at least 1ms");
        require(pooledLimit.toMillis() >= 1, "pooled-limit must be at least 1ms");
        require(!connectLimit.isNegative(), "connect-limit must not be negative");
        require(connectionsPerPort >= 1, "connections-per-port must be at least 1");
    }

    /** The same with another limit for requests on which nothing moves. */
    public GatewayConfig withIdleLimit(Duration limit) {
        return new GatewayConfig(limit, pooledLimit, connectLimit, connectionsPerPort);
    }

    private static void require(boolean holds, String problem) {
        if (!holds) {
            throw new IllegalArgumentException(problem);
        }
    }
}
