package dev.wrenn.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.cli.client.Json;
import dev.wrenn.testkit.HostInventory;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.api.parallel.Resources;

/** The commands as a script sees them: exit code and the two outputs. */
@Tag("root")
@ResourceLock(Resources.SYSTEM_OUT)
class MainRootTest {
    @TempDir Path folder;

    private record Result(int exitCode, String out, String err) {}

    private Result run(String... arguments) {
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

    @Test
    void the_doctor_finds_this_machine_fit_and_leaves_nothing_behind() {
        var view = HostInventory.view().marked("wrenn-doctor-" + ProcessHandle.current().pid());
        var before = view.under(folder).take();

        var result = run("doctor", "--dir", folder.toString(), "--listen", "127.0.0.1:0", "--json");

        assertThat(result.err()).isEmpty();
        assertThat(result.exitCode()).as(result.out()).isZero();
        var report = Json.read(result.out());
        assertThat(report.path("ok").asBoolean()).isTrue();
        assertThat(report.path("findings").findValuesAsText("name"))
                .contains(
                        "root",
                        "qemu",
                        "firecracker",
                        "vmm",
                        "userfaultfd",
                        "netns",
                        "tun",
                        "nftables",
                        "disk",
                        "reflink",
                        "port");
        before.assertRestored(view.under(folder), Duration.ofSeconds(10));
    }

    @Test
    void the_doctor_names_a_port_that_is_taken_and_exits_with_1() throws IOException {
        try (var taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            var listen = "127.0.0.1:" + taken.getLocalPort();

            var result = run("doctor", "--dir", folder.toString(), "--listen", listen);

            assertThat(result.exitCode()).isEqualTo(1);
            assertThat(result.out()).contains("FAIL  port", listen, "--listen or WRENN_LISTEN");
        }
    }

    @Test
    void a_folder_without_a_server_has_no_status_no_key_and_nothing_to_stop() {
        var dir = folder.toString();

        assertThat(run("status", "--dir", dir, "--json"))
                .satisfies(
                        status -> assertThat(status.exitCode()).isEqualTo(1),
                        status ->
                                assertThat(Json.read(status.out()).path("serving").asBoolean(true))
                                        .isFalse());
        assertThat(run("down", "--dir", dir).exitCode()).isZero();
        assertThat(run("key", "--dir", dir))
                .satisfies(
                        key -> assertThat(key.exitCode()).isEqualTo(1),
                        key -> assertThat(key.err()).contains("`wrenn up` makes it"));
        for (var command : new String[][] {{"create", "ci"}, {"list"}, {"revoke", "key-1"}}) {
            var line = new ArrayList<>(List.of("key"));
            line.addAll(List.of(command));
            line.addAll(List.of("--dir", dir));
            assertThat(run(line.toArray(String[]::new)))
                    .satisfies(
                            key -> assertThat(key.exitCode()).isEqualTo(1),
                            key -> assertThat(key.err()).contains("no server runs", "`wrenn up`"));
        }
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void misuse_and_a_wrong_configuration_exit_with_2_and_say_why() throws IOException {
        Files.writeString(folder.resolve("wrenn.conf"), "[server]\nlisten = nowhere\n");

        assertThat(run("doctor", "--nonsense").exitCode()).isEqualTo(2);
        assertThat(run("doctor", "--dir", folder.toString()))
                .satisfies(
                        doctor -> assertThat(doctor.exitCode()).isEqualTo(2),
                        doctor ->
                                assertThat(doctor.err())
                                        .contains("server.listen cannot be \"nowhere\""));
    }

    @Test
    void programs_are_told_of_a_failure_in_the_shape_of_the_api() {
        var dir = folder.toString();

        var failed = run("capsule", "list", "--json", "--dir", dir);
        var misused = run("capsule", "list", "--json", "--nonsense");

        assertThat(failed.exitCode()).isEqualTo(1);
        assertThat(failed.out()).isEmpty();
        var error = Json.read(failed.err()).path("error");
        assertThat(error.path("code").asText()).isEqualTo("unavailable");
        assertThat(error.path("message").asText()).contains("no server runs for " + dir);
        assertThat(misused.exitCode()).isEqualTo(2);
        assertThat(Json.read(misused.err()).path("error").path("code").asText())
                .isEqualTo("misuse");
    }

    @Test
    void every_command_explains_itself() {
        for (var command : new String[] {"doctor", "status", "down", "key"}) {
            assertThat(run(command, "--help"))
                    .satisfies(
                            help -> assertThat(help.exitCode()).as(command).isZero(),
                            help -> assertThat(help.out()).contains("Usage: wrenn " + command));
        }
    }
}
