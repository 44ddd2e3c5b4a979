package dev.wrenn.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.ByteSize;
import dev.wrenn.cli.client.Json;
import dev.wrenn.snapshot.ManifestFacts;
import dev.wrenn.snapshot.Snapshot;
import dev.wrenn.snapshot.SnapshotId;
import dev.wrenn.snapshot.SnapshotStore;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.api.parallel.Resources;

/** The operator's view of a data folder whose server does not run. */
@ResourceLock(Resources.SYSTEM_OUT)
class SnapshotCommandTest {
    @TempDir Path folder;

    @Test
    void list_and_inspect_show_what_is_there_but_no_secret() throws IOException {
        var snapshot = aSnapshot();

        var list = run("snapshot", "list", "--dir", folder.toString(), "--json");
        var one = run("snapshot", "inspect", snapshot.id().text(), "--dir", folder.toString());

        assertThat(list.exitCode()).isZero();
        var json = Json.read(list.out());
        assertThat(json.path("snapshots").get(0).path("snapshot").asText())
                .isEqualTo(snapshot.id().text());
        assertThat(json.path("space").path("layers").asInt()).isEqualTo(1);
        assertThat(json.path("space_amplification").asDouble()).isGreaterThanOrEqualTo(1);
        assertThat(one.exitCode()).isZero();
        assertThat(one.out())
                .contains("QEMU 7.2", "minimal", "amplification 2.00")
                .doesNotContain("do-not-show");
        assertThat(list.out()).doesNotContain("do-not-show");
    }

    @Test
    void verify_exits_with_1_and_names_the_file_once_a_byte_has_changed() throws IOException {
        var snapshot = aSnapshot();
        assertThat(run("snapshot", "verify", "--dir", folder.toString()).exitCode()).isZero();
        Files.writeString(snapshot.vmState(), "Devices");

        var result = run("snapshot", "verify", "--dir", folder.toString(), "--json");

        assertThat(result.exitCode()).isEqualTo(1);
        var damage = Json.read(result.out()).path("damages").get(0);
        assertThat(damage.path("file").asText()).isEqualTo("vmstate");
        assertThat(damage.path("snapshot").asText()).isEqualTo(snapshot.id().text());
    }

    @Test
    void a_snapshot_that_is_not_there_fails_and_a_wrong_id_is_misuse() throws IOException {
        aSnapshot();

        var absent =
                run("snapshot", "verify", SnapshotId.random().text(), "--dir", folder.toString());
        var wrong = run("snapshot", "inspect", "../x", "--dir", folder.toString());

        assertThat(absent.exitCode()).isEqualTo(1);
        assertThat(absent.err()).contains("there is no snapshot");
        assertThat(wrong.exitCode()).isEqualTo(2);
        assertThat(wrong.err()).contains("wrenn snapshot list");
    }

    @Test
    void a_folder_without_snapshots_is_said_to_be_one_and_stays_empty() {
        var result = run("snapshot", "list", "--dir", folder.toString());

        assertThat(result.exitCode()).isEqualTo(1);
        assertThat(result.err()).contains("holds no snapshots");
        assertThat(folder.resolve("volume")).doesNotExist();
    }

    private Snapshot aSnapshot() throws IOException {
        var store = new SnapshotStore(folder.resolve("volume").resolve(SnapshotStore.FOLDER));
        try (var draft = store.draft(SnapshotId.random());
                var arena = Arena.ofConfined()) {
            Files.writeString(draft.vmState(), "devices");
            Files.writeString(draft.disk(), "disk");
            draft.memory(Optional.empty(), 16).pages(3, arena.allocate(4096).fill((byte) 3));
            return draft.seal(
                    new ManifestFacts(
                            Optional.empty(),
                            Instant.EPOCH,
                            "QEMU",
                            "7.2",
                            1,
                            new ByteSize(16 * 4096),
                            "6.1",
                            "minimal",
                            Map.of("guest_token", "do-not-show")));
        }
    }

    private record Result(int exitCode, String out, String err) {}

    private static Result run(String... arguments) {
        var out = new ByteArrayOutputStream();
        var err = new ByteArrayOutputStream();
        var oldOut = System.out;
        var oldErr = System.err;
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        try {
            int code = Main.run(arguments);
            return new Result(
                    code,
                    out.toString(StandardCharsets.UTF_8),
                    err.toString(StandardCharsets.UTF_8));
        } finally {
            System.setOut(oldOut);
            System.setErr(oldErr);
        }
    }
}
