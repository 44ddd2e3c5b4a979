package dev.wrenn.host.capsule;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Tells whether a capsule is in use: every call and every open session counts, so that work in
 * progress is never paused away. Thread-safe.
 */
final class Activity {
    private final InstantSource clock;
    private final AtomicInteger sessions = new AtomicInteger();
    private volatile Instant last; // written by any caller: the latest of two close calls may win

    Activity(InstantSource clock) {
        this.clock = clock;
        this.last = clock.instant();
    }

    void touch() {
        last = clock.instant();
    }

    void begin() {
        sessions.incrementAndGet();
        touch();
    }

    void end() {
        touch();
        sessions.decrementAndGet();
    }

    Instant last() {
        return last;
    }

    /** Whether nothing has used it for longer than the limit. */
    boolean isIdleFor(Duration limit) {
        return sessions.get() == 0 && Duration.between(last, clock.instant()).compareTo(limit) > 0;
    }
}
