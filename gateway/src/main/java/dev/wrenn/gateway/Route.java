package dev.wrenn.gateway;

import dev.wrenn.contract.CapsuleId;

/** Where a request that is for a capsule goes. */
sealed interface Route {
    /** To that port of that capsule. */
    record ToPort(CapsuleId capsule, int port) implements Route {}

    /**
     * Nowhere: it names a capsule's port, but wrongly.
     *
     * @param status HTTP status of the answer
     */
    record Nowhere(int status, String message) implements Route {}
}
