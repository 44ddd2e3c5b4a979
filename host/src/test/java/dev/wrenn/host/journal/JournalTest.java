package dev.wrenn.host.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.host.HostCheckpoint.Cause;
import dev.wrenn.contract.host.ProcessDefaults;
import dev.wrenn.host.journal.CapsuleRecord.Stage;
import dev.wrenn.host.journal.Journal.Durability;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JournalTest {
    @TempDir Path folder;
    private Journal journal;

    @BeforeEach
    void open() {
        journal = reopened();
    }

    private Journal reopened() {
        return new Journal(folder.resolve("durable"), folder.resolve("runs"));
    }

    private static CapsuleRecord record(String capsule) {
        return CapsuleRecord.begin(
                capsule,
                "template",
                1,
                256,
                Duration.ofSeconds(60),
                new ProcessDefaults(
                        Map.of("NAME", "value"), Optional.of("user"), Optional.of("/srv")),
                "token",
                1);
    }

    private static CheckpointRecord checkpoint() {
        return new CheckpointRecord("cp", "snap", "", "", Cause.PAUSE, "asked for", 6, 0);
    }

    private Path fileOf(String capsule) {
        return folder.resolve("durable/capsules/" + capsule + ".json");
    }

    @Test
    void what_was_written_last_is_read_by_the_next_process() {
        journal.write(record("a"), Durability.BUFFERED);
        var saved =
                record("a").started(5, "10.0.0.1").saved(checkpoint(), Stage.PAUSED, "asked for");
        journal.write(saved, Durability.SYNCED);
        journal.write(record("b"), Durability.SYNCED);
        journal.forget("b");

        assertThat(reopened().capsules()).containsExactly(saved);
        assertThat(reopened().capsule("a")).contains(saved);
        assertThat(reopened().capsule("b")).isEmpty();
    }

    @Test
    void each_change_has_a_later_generation() {
        var created = record("a");

        var started = created.started(5, "10.0.0.1");
        var saved = started.saved(checkpoint(), Stage.PAUSED, "");

        assertThat(List.of(created.generation(), started.generation(), saved.generation()))
                .containsExactly(0L, 1L, 2L);
    }

    @Test
    void a_damaged_record_is_named_and_never_taken_for_absent() throws IOException {
        journal.write(record("a"), Durability.SYNCED);
        var text = Files.readString(fileOf("a"));
        Files.writeString(fileOf("a"), text.substring(0, text.length() / 2));

        for (var read :
                List.<Runnable>of(() -> reopened().capsules(), () -> reopened().capsule("a"))) {
            assertThatThrownBy(read::run)
                    .isInstanceOfSatisfying(
                            WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.CORRUPT))
                    .hasMessageContaining(fileOf("a").toString());
        }
    }

    @Test
    void a_record_of_a_later_version_is_never_taken_for_absent() throws IOException {
        journal.write(record("a"), Durability.SYNCED);
        var text = Files.readString(fileOf("a"));
        Files.writeString(
                fileOf("a"),
                text.replace("\"version\":" + CapsuleRecord.VERSION, "\"version\":99"));

        assertThatThrownBy(() -> reopened().capsules())
                .isInstanceOf(WrennException.class)
                .hasMessageContaining("another version");
    }

    @Test
    void a_damaged_template_is_not_taken_for_absent_either() throws IOException {
        journal.write(TemplateRecord.snapshot("t", "snap"));
        Files.writeString(folder.resolve("durable/templates/t.json"), "{");

        assertThatThrownBy(() -> reopened().template("t"))
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.CORRUPT));
    }

    @Test
    void a_write_that_was_cut_short_leaves_the_record_before_and_no_file() throws IOException {
        journal.write(record("a"), Durability.SYNCED);
        var cut =
                Files.writeString(folder.resolve("durable/capsules/a.json.new"), "{\"version\":1,");

        assertThat(reopened().capsules()).containsExactly(record("a"));
        assertThat(cut).doesNotExist();
    }

    @Test
    void a_damaged_run_record_counts_as_none() throws IOException {
        Files.createDirectories(journal.runFolder("a"));
        journal.write(RunRecord.begin("a", "boot", "snap").withSlot(3).withProcess(42, 4711));
        assertThat(journal.run("a")).map(RunRecord::slot).contains(3);

        Files.writeString(journal.runFolder("a").resolve("run.json"), "");

        assertThat(journal.run("a")).isEmpty();
        assertThat(journal.runFolders()).containsExactly("a");
    }

    @Test
    void forgetting_what_is_not_there_is_fine() {
        journal.forget("never-there");

        assertThat(journal.capsules()).isEmpty();
    }

    @Test
    void templates_that_were_written_before_disks_had_names_are_read() throws IOException {
        Files.writeString(
                folder.resolve("durable/templates/old.json"),
                """
                {"version":1,"template":"old","snapshot":"","shapes":{"1x256@files":"snap"}}
                """);

        var template = journal.template("old").orElseThrow();

        assertThat(template).isEqualTo(TemplateRecord.disk("old", "").with("1x256@files", "snap"));
        assertThat(journal.templates()).containsExactly(template);
    }
}
