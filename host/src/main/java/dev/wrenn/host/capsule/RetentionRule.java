package dev.wrenn.host.capsule;

import dev.wrenn.contract.host.Retention;
import dev.wrenn.host.journal.CapsuleRecord;
import dev.wrenn.host.journal.CheckpointRecord;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/** Decides which checkpoints of a capsule stay. */
final class RetentionRule {
    private RetentionRule() {}

    /**
     * Those that stay, oldest first: the current one, those with a name, the newest and the young.
     */
    static List<CheckpointRecord> kept(CapsuleRecord record, Retention byDefault, Instant now) {
        var retention = record.retention().orElse(byDefault);
        var kept = new ArrayList<CheckpointRecord>();
        int newer = 0;
        for (var checkpoint : record.history().reversed()) {
            boolean isYoung =
                    Instant.ofEpochMilli(checkpoint.createdAtMillis())
                            .plus(retention.keepFor())
                            .isAfter(now);
            boolean isUnnamed = checkpoint.name().isEmpty();
            if (!isUnnamed
                    || newer < retention.keepLast()
                    || isYoung
                    || checkpoint.snapshot().equals(record.snapshot())) {
                kept.addFirst(checkpoint);
            }
            newer += isUnnamed ? 1 : 0;
        }
        return List.copyOf(kept);
    }
}
