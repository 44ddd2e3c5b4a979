package dev.wrenn.host.capsule;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.snapshot.SnapshotId;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the archive up to date in the background: stores what was sealed, oldest first, and evicts
 * what it has when the volume runs short. One thread; a failure is tried again later.
 */
final class Archiving implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(Archiving.class);
    private static final Duration TICK = Duration.ofSeconds(2);
    private static final Duration FIRST_RETRY = Duration.ofSeconds(5);
    private static final Duration LAST_RETRY = Duration.ofMinutes(5);

    private final Machinery machinery;
    private final ArchiveConfig config;
    private final Owner owner;
    private final Loop loop;
    private Duration retryAfter = FIRST_RETRY; // loop's thread only
    private Instant notBefore = Instant.EPOCH; // loop's thread only
    private volatile boolean garbage = true; // whatever an earlier process left

    /** Whose snapshots they are. */
    interface Owner {
        /** Snapshots of paused capsules, the longest unused first. */
        List<SnapshotId> atRest();

        /** Every snapshot that must stay. */
        Set<SnapshotId> needed();

        /** A snapshot has become durable. */
        void archived(SnapshotId snapshot);
    }

    Archiving(Machinery machinery, ArchiveConfig config, Owner owner) {
        this.machinery = machinery;
        this.config = config;
        this.owner = owner;
        this.loop = Loop.every("archiving", TICK, this::tick);
    }

    /** Something in the archive may not be needed any more. */
    void collectSoon() {
        garbage = true;
    }

    private void tick() {
        if (!machinery.clock().instant().isBefore(notBefore)) {
            archiveAll();
            collect();
        }
        evictIfShort();
    }

    private void archiveAll() {
        boolean failed = false;
        for (var id : machinery.store().unarchived()) {
            try {
                machinery.store().archive(id);
                owner.archived(id);
            } catch (WrennException e) {
                failed = true;
                LOG.atWarn()
                        .setCause(e)
                        .addKeyValue("snapshot", id)
                        .addKeyValue("next_try_s", retryAfter.toSeconds())
                        .log("a snapshot cannot be archived yet; it stays on this machine");
                if (e.kind() != Kind.CORRUPT) {
                    break; // it is not this snapshot's fault: the next one would fail as well
                }
            }
        }
        if (failed) {
            later();
        } else {
            retryAfter = FIRST_RETRY;
        }
    }

    private void collect() {
        if (!garbage) {
            return;
        }
        garbage = false; // before: what is released meanwhile is for the next time
        try {
            machinery.store().collectArchive(owner::needed);
        } catch (WrennException e) {
            garbage = true;
            later();
            LOG.atWarn().setCause(e).log("the archive's garbage cannot be collected yet");
        }
    }

    private void later() {
        notBefore = machinery.clock().instant().plus(retryAfter);
        var twice = retryAfter.multipliedBy(2);
        retryAfter = twice.compareTo(LAST_RETRY) < 0 ? twice : LAST_RETRY;
    }

    /**
     * Waits until the archive has a capsule's snapshot, if the settings ask for that.
     *
     * @throws WrennException the archive's failure; the capsule is paused all the same
     */
    void awaitDurable(SnapshotId snapshot) {
        if (!config.isPauseDurable() || machinery.store().isDurable(snapshot)) {
            return;
        }
        try {
            machinery.store().archive(snapshot);
            owner.archived(snapshot);
        } catch (WrennException e) {
            throw new WrennException(
                    e.kind(),
                    "the capsule is paused and safe on its machine, but not in the archive yet;"
                            + " that is tried again",
                    e);
        }
    }

    private void evictIfShort() {
        if (!isShort()) {
            return;
        }
        for (var id : owner.atRest()) {
            if (machinery.store().evict(id)) {
                machinery.store().collectLayers();
                if (!isShort()) {
                    return;
                }
            }
        }
    }

    private boolean isShort() {
        return machinery.diskFolder().toFile().getUsableSpace() < config.keepFree().bytes();
    }

    @Override
    public void close() {
        loop.close();
    }
}
