package dev.wrenn.host.capsule;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.contract.host.HostCheckpoint.Cause;
import dev.wrenn.contract.host.ProcessDefaults;
import dev.wrenn.contract.host.Retention;
import dev.wrenn.host.journal.CapsuleRecord;
import dev.wrenn.host.journal.CapsuleRecord.Stage;
import dev.wrenn.host.journal.CheckpointRecord;
import dev.wrenn.testkit.Cases;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class RetentionRuleTest {
    private static final Instant NOW = Instant.parse("2030-01-01T00:00:00Z");

    @Test
    void the_newest_stay_and_older_ones_go() {
        var record = record(checkpoint(1, ""), checkpoint(2, ""), checkpoint(3, ""));

        assertThat(kept(record, new Retention(2, Duration.ZERO))).containsExactly(2, 3);
    }

    @Test
    void what_is_young_enough_stays_beyond_the_number() {
        var record = record(checkpoint(1, ""), checkpoint(2, ""), checkpoint(3, ""));

        // One is made each minute, the third just now.
        assertThat(kept(record, new Retention(1, Duration.ofSeconds(90)))).containsExactly(2, 3);
    }

    @Test
    void a_name_keeps_it_and_does_not_count() {
        var record = record(checkpoint(1, ""), checkpoint(2, "a"), checkpoint(3, "b"));

        assertThat(kept(record, new Retention(1, Duration.ZERO))).containsExactly(1, 2, 3);
    }

    @Test
    void the_current_one_stays_however_old_it_is() {
        var first = checkpoint(1, "");
        var record = record(first, checkpoint(2, ""), checkpoint(3, "")).backTo(first);

        assertThat(kept(record, new Retention(1, Duration.ZERO))).containsExactly(1, 3);
    }

    @Test
    void the_capsule_has_the_last_word_and_the_host_the_first() {
        var record = record(checkpoint(1, ""), checkpoint(2, ""), checkpoint(3, ""));

        assertThat(kept(record.keeping(new Retention(1, Duration.ZERO)), Retention.DEFAULT))
                .containsExactly(3);
        assertThat(kept(record, Retention.DEFAULT)).containsExactly(1, 2, 3);
    }

    @Test
    void of_any_history_exactly_those_stay_that_have_a_reason_to() {
        Cases.check(
                200,
                source -> {
                    var history = new ArrayList<CheckpointRecord>();
                    int count = 1 + source.size() / 8;
                    for (int i = 1; i <= count; i++) {
                        history.add(checkpoint(count, i, source.oneIn(4) ? "n" : ""));
                    }
                    var current = source.pick(history);
                    var retention =
                            new Retention(
                                    source.between(1, 8),
                                    Duration.ofSeconds(source.between(0, 600)));
                    var record = record(history.toArray(CheckpointRecord[]::new)).backTo(current);

                    var kept = RetentionRule.kept(record, retention, NOW);

                    for (var checkpoint : history) {
                        long newerUnnamed =
                                history.stream()
                                        .filter(c -> c.name().isEmpty())
                                        .filter(c ->
                                                c.createdAtMillis() > checkpoint.createdAtMillis())
                                        .count();
                        long age = NOW.toEpochMilli() - checkpoint.createdAtMillis();
                        boolean wanted =
                                !checkpoint.name().isEmpty()
                                        || newerUnnamed < retention.keepLast()
                                        || age < retention.keepFor().toMillis()
                                        || checkpoint.equals(current);
                        assertThat(kept.contains(checkpoint)).isEqualTo(wanted);
                    }
                    assertThat(kept)
                            .isSubsetOf(history)
                            .isSortedAccordingTo(
                                    java.util.Comparator.comparingLong(
                                            CheckpointRecord::createdAtMillis));
                    // Applied again, it finds nothing more to do.
                    assertThat(RetentionRule.kept(record.with(kept), retention, NOW))
                            .isEqualTo(kept);
                });
    }

    private static List<Integer> kept(CapsuleRecord record, Retention byDefault) {
        return RetentionRule.kept(record, byDefault, NOW).stream()
                .map(c -> Integer.parseInt(c.snapshot()))
                .toList();
    }

    private static CapsuleRecord record(CheckpointRecord... history) {
        var record =
                CapsuleRecord.begin(
                        "c", "t", 1, 256, Duration.ZERO, ProcessDefaults.NONE, "token", 0);
        for (var checkpoint : history) {
            record = record.saved(checkpoint, Stage.PAUSED, "");
        }
        return record;
    }

    private static CheckpointRecord checkpoint(int number, String name) {
        return checkpoint(3, number, name);
    }

    /** One a minute, the last one now. */
    private static CheckpointRecord checkpoint(int of, int number, String name) {
        return new CheckpointRecord(
                "cp-" + number,
                Integer.toString(number),
                "",
                name,
                Cause.PAUSE,
                "",
                NOW.minus(Duration.ofMinutes(of - number)).toEpochMilli(),
                0);
    }
}
