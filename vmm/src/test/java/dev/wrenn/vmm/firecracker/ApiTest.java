package dev.wrenn.vmm.firecracker;

import static dev.wrenn.vmm.firecracker.StandInFirecracker.answer;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.DeadlinePassed;
import dev.wrenn.base.Pause;
import dev.wrenn.vmm.BootSource;
import dev.wrenn.vmm.DeviceLimits;
import dev.wrenn.vmm.LastWords;
import dev.wrenn.vmm.VmSpec;
import dev.wrenn.vmm.VmmFailed;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Function;
import org.eclipse.jetty.client.HttpClient;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What Firecracker is asked and how its answers are taken; the order of requests is its own. */
@DisplayNameGeneration(ReplaceUnderscores.class)
final class ApiTest {
    private static final VmSpec SPEC =
            new VmSpec(
                    "cl-1",
                    Path.of("/run/wrenn/cl-1"),
                    2,
                    ByteSize.mib(512),
                    Path.of("/data/disks/a.raw"),
                    Path.of("/data/disks/a.vmm"),
                    "wrn-7",
                    "tap7",
                    "02:fc:00:00:00:05",
                    Path.of("/run/wrenn/cl-1/pages.sock"));
    private static final BootSource SOURCE =
            new BootSource(Path.of("/data/vmlinuz"), Path.of("/data/initrd"), "quiet wrenn.root=x");
    private static final String DONE = answer("204 ", "");

    @TempDir Path folder;
    private HttpClient http;

    @BeforeEach
    void start() {
        http = Api.startClient();
    }

    @AfterEach
    void stop() throws Exception {
        http.stop();
    }

    private static Deadline soon() {
        return Deadline.after(Duration.ofSeconds(10));
    }

    private StandInFirecracker standIn(Function<String, String> answers) {
        return new StandInFirecracker(folder.resolve("api.sock"), answers);
    }

    private Api api() {
        return new Api(http, folder.resolve("api.sock"));
    }

    private static Machine machine(boolean console, DeviceLimits limits) {
        return new Machine(
                SPEC,
                new FirecrackerConfig(
                        Path.of("/opt/firecracker"), Path.of("/opt/jailer"), console, limits));
    }

    @Test
    void a_refusal_carries_the_words_of_firecracker() {
        try (var _ = standIn(_ -> answer("400 ", "{\"fault_message\":\"no such drive\"}"))) {
            assertThatThrownBy(() -> api().put("trying", "/drives/x", Map.of(), soon()))
                    .isInstanceOf(VmmFailed.class)
                    .hasMessage("trying")
                    .cause()
                    .isInstanceOf(LastWords.class)
                    .hasMessage("no such drive");
        }
    }

    @Test
    void what_was_asked_for_is_returned() {
        try (var server = standIn(_ -> answer("200 ", "{\"state\":\"Paused\"}"))) {
            assertThat(api().get("asking", "/", soon()).path("state").asText()).isEqualTo("Paused");
            assertThat(server.requests).containsExactly("GET /");
        }
    }

    @Test
    void a_process_that_ends_without_an_answer_is_gone() {
        try (var _ = standIn(_ -> "")) {
            assertThatThrownBy(() -> api().get("asking", "/", soon())).isInstanceOf(ApiGone.class);
        }
    }

    @Test
    void a_process_that_is_not_there_is_gone() {
        assertThatThrownBy(() -> api().get("asking", "/", soon())).isInstanceOf(ApiGone.class);
    }

    @Test
    void a_process_that_does_not_answer_costs_the_deadline_and_is_asked_again_later() {
        var answered = new boolean[1];
        try (var _ =
                standIn(_ -> {
                    if (!answered[0]) {
                        answered[0] = true;
                        Pause.until(() -> false, Duration.ofMillis(10), soonEnough());
                    }
                    return answer("200 ", "{}");
                })) {
            var api = api();
            assertThatThrownBy(() -> api.get("asking", "/", Deadline.after(Duration.ofMillis(100))))
                    .isInstanceOf(DeadlinePassed.class);

            assertThat(api.get("asking", "/", soon())).isEmpty();
        }
    }

    private static Deadline soonEnough() {
        return Deadline.after(Duration.ofSeconds(1));
    }

    @Test
    void a_boot_describes_the_machine_and_starts_it() {
        try (var server = standIn(_ -> DONE)) {
            machine(false, DeviceLimits.NONE).boot(api(), SOURCE, soon());

            assertThat(server.requests.stream().map(r -> r.split(" \\{", 2)[0]))
                    .containsExactly(
                            "PUT /machine-config",
                            "PUT /boot-source",
                            "PUT /drives/disk",
                            "PUT /network-interfaces/net",
                            "PUT /entropy",
                            "PUT /actions");
            assertThat(server.requests.get(0))
                    .contains("\"vcpu_count\":2", "\"mem_size_mib\":512", "\"smt\":false");
            assertThat(server.requests.get(1))
                    .contains(
                            "\"boot_args\":\"8250.nr_uarts=0 reboot=k panic=-1 i8042.noaux"
                                    + " i8042.nomux i8042.dumbkbd quiet wrenn.root=x\"",
                            "\"kernel_image_path\":\"/scratch/vmlinux\"",
                            "\"initrd_path\":\"/scratch/initrd\"");
            assertThat(server.requests.get(2))
                    .isEqualTo(
                            "PUT /drives/disk {\"drive_id\":\"disk\",\"path_on_host\":\"/disk\","
                                    + "\"is_root_device\":false,\"is_read_only\":false,"
                                    + "\"cache_type\":\"Unsafe\",\"io_engine\":\"Sync\"}");
            assertThat(server.requests.get(3))
                    .isEqualTo(
                            "PUT /network-interfaces/net {\"iface_id\":\"net\","
                                    + "\"guest_mac\":\"02:fc:00:00:00:05\","
                                    + "\"host_dev_name\":\"tap7\"}");
            assertThat(server.requests.get(5)).contains("InstanceStart");
        }
    }

    @Test
    void a_console_is_there_only_if_it_is_asked_for() {
        try (var server = standIn(_ -> DONE)) {
            machine(true, DeviceLimits.NONE).boot(api(), SOURCE, soon());

            assertThat(server.requests.get(1)).contains("console=ttyS0").doesNotContain("8250");
        }
    }

    @Test
    void a_restore_names_page_server_state_and_tap_and_leaves_the_vcpus_stopped() {
        try (var server = standIn(_ -> DONE)) {
            machine(false, DeviceLimits.NONE).restore(api(), soon());

            assertThat(server.requests.getFirst())
                    .startsWith("PUT /snapshot/load ")
                    .contains(
                            "\"snapshot_path\":\"/state\"",
                            "\"backend_type\":\"Uffd\"",
                            "\"backend_path\":\"/pages.sock\"",
                            "\"track_dirty_pages\":true",
                            "\"resume_vm\":false",
                            "\"iface_id\":\"net\"",
                            "\"host_dev_name\":\"tap7\"");
        }
    }

    @Test
    void limits_are_set_on_a_boot_and_again_on_a_restore() {
        var limits =
                new DeviceLimits(
                        Optional.of(ByteSize.mib(1)),
                        OptionalLong.of(100),
                        Optional.of(ByteSize.mib(2)));
        try (var server = standIn(_ -> DONE)) {
            machine(false, limits).boot(api(), SOURCE, soon());
            machine(false, limits).restore(api(), soon());

            var disk = server.requests.get(2);
            assertThat(disk)
                    .contains("\"rate_limiter\":{\"bandwidth\":{")
                    .contains("\"ops\":{", "\"size\":1048576", "\"size\":100")
                    .contains("\"refill_time\":1000");
            assertThat(server.requests.get(3))
                    .contains("\"rx_rate_limiter\":{", "\"tx_rate_limiter\":{", "2097152");
            assertThat(server.requests.subList(7, 9).stream().map(r -> r.split(" \\{", 2)[0]))
                    .containsExactly("PATCH /drives/disk", "PATCH /network-interfaces/net");
            assertThat(server.requests.get(7)).contains("\"size\":1048576", "\"size\":100");
            assertThat(server.requests.get(8)).contains("\"size\":2097152");
        }
    }

    /** A state that was saved with limits still has them. */
    @Test
    void without_limits_a_restore_takes_those_of_the_state_away() {
        try (var server = standIn(_ -> DONE)) {
            machine(false, DeviceLimits.NONE).restore(api(), soon());

            assertThat(server.requests).hasSize(3);
            assertThat(server.requests.subList(1, 3))
                    .allSatisfy(request ->
                            assertThat(request)
                                    .contains("\"bandwidth\":{", "\"size\":0")
                                    .doesNotContainPattern("\"size\":[1-9]"));
        }
    }
}
