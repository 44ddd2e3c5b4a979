package dev.wrenn.control.auth;

import dev.wrenn.base.Deadline;
import dev.wrenn.control.auth.ApiKeyRows.Found;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;

/**
 * Keys that were found good a moment ago, so that not every request asks the database.
 *
 * <p>What this process revokes it forgets at once; what another process revokes ends here when the
 * entry does. A key that was not found is never remembered. A revocation that comes while a lookup
 * is under way must not be undone by its late result: such a result is not kept.
 */
final class KnownKeys {
    private static final Duration LIFETIME = Duration.ofSeconds(5);
    private static final int MOST = 10_000;

    private final Map<String, Entry> byHash = new ConcurrentHashMap<>();
    private final AtomicLong revocations = new AtomicLong();

    private record Entry(Found found, Deadline end) {}

    /** The key if it is still known. */
    Optional<Found> get(String hash) {
        return Optional.ofNullable(byHash.get(hash))
                .filter(e -> !e.end().isPast())
                .map(Entry::found);
    }

    /** How often keys were forgotten; read before the database is asked. */
    long revocations() {
        return revocations.get();
    }

    /** Remembers what the database said, unless keys were revoked since it was asked. */
    void keep(String hash, Found found, long revocationsBefore) {
        if (byHash.size() >= MOST) {
            byHash.values().removeIf(e -> e.end().isPast());
        }
        if (byHash.size() < MOST) {
            byHash.put(hash, new Entry(found, Deadline.after(LIFETIME)));
        }
        if (revocations.get() != revocationsBefore) {
            byHash.remove(hash);
        }
    }

    /** Forgets those keys. */
    void forget(Predicate<Found> which) {
        revocations.incrementAndGet();
        byHash.values().removeIf(e -> which.test(e.found()));
    }
}
