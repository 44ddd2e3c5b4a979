package dev.wrenn.control.build;

import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.capsule.BuildCapsules;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jdbi.v3.core.Jdbi;

/**
 * States that builds have come to, memory and disk, so that the next build goes on from the last
 * one that its steps have in common. A team has only its own. What is made is written down before,
 * and what is removed is retired before, so that a crash leaves nothing that nobody knows.
 */
final class StepCache {
    /** No save takes that long. */
    private static final Duration SAVE_LIMIT = Duration.ofHours(1);

    private final StepCacheRows rows;
    private final BuildCapsules capsules;
    private final BuildConfig config;

    StepCache(Jdbi db, BuildCapsules capsules, BuildConfig config) {
        this.rows = new StepCacheRows(db);
        this.capsules = capsules;
        this.config = config;
    }

    /**
     * A state to go on from.
     *
     * @param steps how many it has behind it
     * @param state of the steps, as JSON
     */
    record Found(int steps, TemplateId template, int vcpus, int memoryMb, String state) {}

    /**
     * The furthest state that is there.
     *
     * @param keys of the build's states, in order
     */
    Optional<Found> furthest(TeamId team, List<String> keys) {
        return rows.use(team, keys).stream()
                .map(entry ->
                        new Found(
                                keys.indexOf(entry.key()) + 1,
                                entry.template(),
                                entry.vcpus(),
                                entry.memoryMb(),
                                entry.state()))
                .max(java.util.Comparator.comparingInt(Found::steps));
    }

    /** Whether steps that took so long are worth a state of their own. */
    boolean isWorth(Duration took) {
        return took.compareTo(config.cacheFrom()) >= 0;
    }

    /**
     * Keeps the state of a capsule, which runs on afterwards; nobody may be in a session with it.
     */
    void keep(TeamId team, String key, CapsuleId capsule, String state) {
        var template = TemplateId.random();
        if (rows.plan(team, key, template, state)) {
            rows.ready(capsules.saveAndGoOn(capsule, template));
        }
    }

    /** Removes a state; builds that have started from it go on. */
    void remove(TemplateId template) {
        rows.retire(template);
        capsules.discard(template);
        rows.forget(template);
    }

    /** Removes what was left half done, and the least recently used beyond the limits. */
    void sweep() {
        rows.abandoned(SAVE_LIMIT).forEach(this::remove);
        for (var surplus = rows.surplus(config.cacheBytes(), config.cacheAge());
                surplus.isPresent();
                surplus = rows.surplus(config.cacheBytes(), config.cacheAge())) {
            remove(surplus.get());
        }
    }
}
