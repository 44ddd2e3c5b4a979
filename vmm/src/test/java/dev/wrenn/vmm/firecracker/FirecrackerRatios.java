package dev.wrenn.vmm.firecracker;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.linux.SparseFile;
import dev.wrenn.pager.MemoryFile;
import dev.wrenn.pager.Pager;
import dev.wrenn.pager.PagerConfig;
import dev.wrenn.snapshot.WorkingSet;
import dev.wrenn.testkit.Eventually;
import dev.wrenn.testkit.Ratio;
import dev.wrenn.testkit.Slowness;
import dev.wrenn.vmm.RecordedMemory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.eclipse.jetty.client.HttpClient;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Ways to start and to save a VM against each other, with a bare Firecracker: no jail, no network,
 * no disk. Not among the tests that are run always; {@code ./wrenn bench --firecracker} runs it.
 *
 * <p>The guest counts on its console and reads 32 MiB of its 128 between two numbers.
 */
final class FirecrackerRatios {
    private static final int ROUNDS = 5;
    private static final int MEMORY_MIB = 128;
    private static final Pattern TICK = Pattern.compile("tick (\\d+)");
    private static final String ATTEMPT = "measuring";

    @TempDir Path folder;
    private final Pager pager = new Pager(PagerConfig.DEFAULTS);
    private HttpClient http;

    @BeforeEach
    void start() {
        http = Api.startClient();
    }

    @AfterEach
    void stop() throws Exception {
        http.stop();
    }

    @Test
    void measure() throws IOException {
        var guest = Path.of(Optional.ofNullable(System.getenv("WRENN_TEST_GUEST")).orElseThrow());
        var kernel = folder.resolve("vmlinux");
        Vmlinux.extract(guest.resolve("vmlinuz"), kernel);
        var boot = new Ratio("start of a bare VM: boot against resume, until it runs", "ms");
        var goesOn = new Ratio("resume: page server (Uffd) against File, until it runs", "ms");
        var hasRead = new Ratio("the same, until it has read 32 MiB", "ms");
        var ahead = new Ratio("the same, with the working set installed ahead", "ms");
        var saving = new Ratio("save: Full against Diff after some ticks, time", "ms");
        var stored = new Ratio("save: Full against Diff after some ticks, stored", "MiB");
        for (int round = 0; round < ROUNDS; round++) {
            var state = folder.resolve("state" + round);
            var full = folder.resolve("full" + round);
            var diff = folder.resolve("diff" + round);
            try (var vm = new Machine("boot" + round)) {
                var watch = Stopwatch.start();
                vm.boot(kernel, guest.resolve("initrd"));
                vm.awaitTicks(1);
                boot.add(millis(watch));
                vm.awaitTicks(3);
                saving.add(vm.save("Full", state, full));
            }
            stored.add(writtenMib(full));
            try (var vm = new Machine("file" + round)) {
                var watch = Stopwatch.start();
                vm.load(state, "File", full);
                vm.awaitTicks(1);
                goesOn.addOther(millis(watch));
                vm.awaitTicks(3);
                hasRead.addOther(millis(watch));
                ahead.addOther(millis(watch));
            }
            WorkingSet touched;
            var pages = folder.resolve("pages.sock");
            try (var memory = new RecordedMemory((long) MEMORY_MIB << 20)) {
                MemoryFile.read(full, memory);
                try (var server = pager.serve("lazy", pages, memory, WorkingSet.EMPTY, _ -> {});
                        var vm = new Machine("lazy" + round)) {
                    var watch = Stopwatch.start();
                    vm.load(state, "Uffd", pages);
                    vm.awaitTicks(1);
                    double ran = millis(watch);
                    boot.addOther(ran);
                    goesOn.add(ran);
                    vm.awaitTicks(3);
                    hasRead.add(millis(watch));
                    touched = server.firstTouches();
                    saving.addOther(vm.save("Diff", folder.resolve("later" + round), diff));
                }
                try (var _ = pager.serve("ahead", pages, memory, touched, _ -> {});
                        var vm = new Machine("ahead" + round)) {
                    var watch = Stopwatch.start();
                    vm.load(state, "Uffd", pages);
                    vm.awaitTicks(3);
                    ahead.add(millis(watch));
                }
            }
            stored.addOther(writtenMib(diff));
            Files.delete(full);
            Files.delete(diff);
        }
        assertThat(boot.print()).isGreaterThan(1);
        goesOn.print();
        hasRead.print();
        ahead.print();
        saving.print();
        assertThat(stored.print()).isGreaterThan(1);
    }

    private static double millis(Stopwatch watch) {
        return watch.elapsedNanos() / 1e6;
    }

    private static double writtenMib(Path file) {
        return SparseFile.extents(file).stream().mapToLong(e -> e.end() - e.start()).sum()
                / (double) (1 << 20);
    }

    /** One Firecracker process without a jail. */
    private final class Machine implements Resource {
        private final Path socket;
        private final Path console;
        private final Process process;
        private final Api api;

        Machine(String name) throws IOException {
            this.socket = folder.resolve(name + ".sock");
            this.console = folder.resolve(name + ".console");
            this.process =
                    new ProcessBuilder(
                                    Optional.ofNullable(System.getenv("FIRECRACKER_BIN"))
                                            .orElseThrow(),
                                    "--api-sock",
                                    socket.toString())
                            .redirectErrorStream(true)
                            .redirectOutput(console.toFile())
                            .start();
            this.api = new Api(http, socket);
        }

        private static Deadline soon() {
            return Deadline.after(Slowness.scaled(Duration.ofSeconds(60)));
        }

        private void put(String path, Map<String, ?> body) {
            api.put(ATTEMPT, path, body, soon());
        }

        private void awaitApi() {
            Eventually.within(Duration.ofSeconds(60), "it listens", () -> Files.exists(socket));
        }

        void boot(Path kernel, Path initrd) {
            awaitApi();
            put("/machine-config", Map.of("vcpu_count", 1, "mem_size_mib", MEMORY_MIB));
            put(
                    "/boot-source",
                    Map.of(
                            "kernel_image_path", kernel.toString(),
                            "initrd_path", initrd.toString(),
                            "boot_args",
                                    "console=ttyS0 reboot=k panic=-1 i8042.noaux i8042.nomux"
                                            + " i8042.dumbkbd quiet test.fill=32"));
            put("/actions", Map.of("action_type", "InstanceStart"));
        }

        void load(Path state, String backend, Path memory) {
            awaitApi();
            put(
                    "/snapshot/load",
                    Map.of(
                            "snapshot_path",
                            state.toString(),
                            "mem_backend",
                            Map.of("backend_type", backend, "backend_path", memory.toString()),
                            "track_dirty_pages",
                            true,
                            "resume_vm",
                            true));
        }

        /** Returns how long it took. */
        double save(String type, Path state, Path memory) {
            api.patch(ATTEMPT, "/vm", Map.of("state", "Paused"), soon());
            var watch = Stopwatch.start();
            put(
                    "/snapshot/create",
                    Map.of(
                            "snapshot_type", type,
                            "snapshot_path", state.toString(),
                            "mem_file_path", memory.toString()));
            return millis(watch);
        }

        /** Waits until the guest has counted that often in this process. */
        void awaitTicks(int count) {
            Eventually.within(
                    Duration.ofMinutes(2),
                    "tick",
                    () -> {
                        try {
                            var text = Files.readString(console);
                            assertThat(text).doesNotContain("memory lost");
                            return TICK.matcher(text).results().count() >= count;
                        } catch (IOException e) {
                            throw new UncheckedIOException(e);
                        }
                    });
        }

        @Override
        public void close() {
            process.destroyForcibly();
            process.onExit().join();
        }
    }
}
