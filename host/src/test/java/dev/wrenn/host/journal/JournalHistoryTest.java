package dev.wrenn.host.journal;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.contract.CheckpointId;
import dev.wrenn.contract.host.HostCheckpoint.Cause;
import dev.wrenn.contract.host.ProcessDefaults;
import dev.wrenn.contract.host.Retention;
import dev.wrenn.host.journal.CapsuleRecord.Stage;
import dev.wrenn.host.journal.Journal.Durability;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JournalHistoryTest {
    private static final String SNAPSHOT = "snap-00112233445566778899aabbccddeeff";

    /** What version 1 wrote, kept for ever. */
    private static final String VERSION_1 =
            """
            {"version":1,"capsule":"cl-0","template":"t","vcpus":1,"memoryMb":256,
             "expirySeconds":60,"environment":{"A":"b"},"agentAccess":"secret",
             "snapshot":"%s","stage":"PAUSED","generation":4,"createdAtMillis":1,
             "startedAtMillis":2,"hostAddress":"10.0.0.1","reason":"expired"}
            """;

    @TempDir private Path folder;
    private Journal journal;

    @BeforeEach
    void open() {
        journal = new Journal(folder.resolve("durable"), folder.resolve("runs"));
    }

    private void store(String text) throws IOException {
        Files.writeString(folder.resolve("durable/capsules/cl-0.json"), text);
    }

    @Test
    void the_one_snapshot_of_a_version_1_record_becomes_its_history() throws IOException {
        store(VERSION_1.formatted(SNAPSHOT));

        var record = journal.capsules().getFirst();

        assertThat(record.version()).isEqualTo(CapsuleRecord.VERSION);
        assertThat(record.generation()).isEqualTo(4);
        assertThat(record.environment()).isEqualTo(Map.of("A", "b"));
        assertThat(record.retention()).isEmpty();
        var current = record.current().orElseThrow();
        assertThat(current.snapshot()).isEqualTo(SNAPSHOT);
        assertThat(current.cause()).isEqualTo(Cause.PAUSE);
        assertThat(new CheckpointId(current.checkpoint()).text()).startsWith("cp-");
        assertThat(journal.capsules().getFirst()).isEqualTo(record);
        assertThat(journal.names("cl-0", SNAPSHOT)).isTrue();
    }

    @Test
    void a_version_1_record_that_never_was_paused_has_no_history() throws IOException {
        store(VERSION_1.formatted(""));

        var record = journal.capsules().getFirst();

        assertThat(record.history()).isEmpty();
        assertThat(record.current()).isEmpty();
    }

    @Test
    void a_record_with_a_history_reads_back_as_it_was_written() {
        var checkpoint =
                new CheckpointRecord(
                        CheckpointId.random().text(),
                        SNAPSHOT,
                        "",
                        "name",
                        Cause.ASKED,
                        "why",
                        5,
                        4096);
        var record =
                CapsuleRecord.begin(
                                "cl-0",
                                "t",
                                1,
                                256,
                                Duration.ofSeconds(60),
                                new ProcessDefaults(
                                        Map.of("A", "b"), Optional.of("user"), Optional.empty()),
                                "secret",
                                1)
                        .saved(checkpoint, Stage.RUNNING, "")
                        .keeping(new Retention(3, Duration.ofHours(1)));

        journal.write(record, Durability.SYNCED);

        assertThat(journal.capsules()).containsExactly(record);
        assertThat(journal.names("cl-0", SNAPSHOT)).isTrue();
        assertThat(journal.names("cl-0", SNAPSHOT.replace('f', '0'))).isFalse();
        assertThat(journal.names("cl-1", SNAPSHOT)).isFalse();
    }
}
