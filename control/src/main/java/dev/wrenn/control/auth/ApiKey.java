package dev.wrenn.control.auth;

import java.time.Instant;
import java.util.Optional;

/**
 * A key as its team sees it; the key itself is not kept.
 *
 * @param id {@code key-} and 25 base-36 digits
 * @param prefix its first characters, to recognise it by
 */
public record ApiKey(
        String id, String name, String prefix, Instant createdAt, Optional<Instant> lastUsed) {}
