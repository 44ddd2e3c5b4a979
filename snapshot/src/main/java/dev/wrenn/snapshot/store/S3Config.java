package dev.wrenn.snapshot.store;

import dev.wrenn.base.Secret;
import java.net.URI;
import java.time.Duration;
import java.util.Optional;

/**
 * Where an S3 bucket is and how to reach it.
 *
 * @param endpoint of a store that is not Amazon's; buckets are part of the path there
 * @param bucket exists already
 * @param region the store's name for where it is
 * @param prefix all names begin with it; empty or ending in a slash. Two Wrenns never share one
 * @param keys access key and secret; none means the SDK's usual chain (environment, profile,
 *     machine role)
 * @param attemptLimit longest time for one request
 */
public record S3Config(
        Optional<URI> endpoint,
        String bucket,
        String region,
        String prefix,
        Optional<Keys> keys,
        Duration attemptLimit) {
    /** Longest time for one request when nothing else is said. */
    public static final Duration ATTEMPT_LIMIT = Duration.ofMinutes(1);

    /**
     * Static credentials.
     *
     * @param id access key id
     * @param secret its secret
     */
    public record Keys(String id, Secret secret) {}

    /** Checks the parts. */
    public S3Config {
        if (!bucket.matches("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")) {
            throw new IllegalArgumentException("s3-bucket: \"" + bucket + "\" is no bucket name");
        }
        if (region.isBlank()) {
            throw new IllegalArgumentException("s3-region must not be empty");
        }
        if (!prefix.matches("([a-z0-9_][a-z0-9._-]*/)*")) {
            throw new IllegalArgumentException(
                    "s3-prefix: \"%s\" must be empty or end in a slash".formatted(prefix));
        }
    }
}
