package dev.wrenn.host.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Command;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Progress;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.host.StockTemplate;
import dev.wrenn.disk.Disks;
import dev.wrenn.testkit.Eventually;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Makes real disks; WRENN_TEST_CACHE names a folder that keeps them from run to run. */
@Tag("root")
class StockDisksRootTest {
    @TempDir static Path temporary;

    private static Path minimal;
    private static StockDisks cached;

    @BeforeAll
    static void prepare() throws IOException {
        var folder =
                Optional.ofNullable(System.getenv("WRENN_TEST_CACHE"))
                        .map(Path::of)
                        .orElse(temporary);
        var agent = Files.writeString(temporary.resolve("agent"), "\177ELF of a test");
        minimal = GuestImages.prepare(folder, agent, Progress.silent()).minimalRootFs();
        cached = stock(folder.resolve("images/stock"));
    }

    private static StockDisks stock(Path folder) {
        return new StockDisks(folder, minimal, new Disks(), InstantSource.system());
    }

    private static Path disk(String name) {
        return cached.disk(name, _ -> {}).file();
    }

    /** What debugfs(8) prints for a command on the disk. */
    private static String debugfs(Path disk, String command) {
        return Command.of("debugfs", "-R", command, disk.toString()).run().stdout();
    }

    private static void assertHas(Path disk, String... paths) {
        for (var path : paths) {
            assertThat(debugfs(disk, "stat " + path))
                    .as(path)
                    .containsPattern("Type: (regular|symlink)");
        }
    }

    private static long allocatedBytes(Path disk) {
        var stat = Command.of("stat", "--format=%b", disk.toString()).run();
        return 512 * Long.parseLong(stat.stdout().strip());
    }

    @Test
    void each_has_what_it_is_named_for() {
        assertHas(disk("base-python"), "/usr/bin/pip3", "/usr/bin/python", "/etc/pip.conf");
        assertHas(disk("base-node"), "/usr/bin/node", "/usr/bin/npm");
        assertHas(
                disk("code-runner-beta"),
                "/home/wrenn-user/jupyter-env/bin/ipython",
                "/home/wrenn-user/jupyter-env/bin/pip",
                StockDisks.PREPARE);
        assertThat(debugfs(disk("code-runner-beta"), "stat " + StockDisks.PREPARE))
                .contains("Mode:  0755")
                .contains("User:     0");
    }

    @ParameterizedTest
    @ValueSource(strings = {"base-python", "base-node", "code-runner-beta"})
    void a_disk_is_whole_at_rest_and_has_room_for_its_user(String name) throws IOException {
        var disk = disk(name);

        Command.of("e2fsck", "-f", "-n", disk.toString()).within(Duration.ofMinutes(2)).run();
        new Disks().requireClean(disk);

        assertThat(Files.size(disk)).isEqualTo(5L << 30);
        assertThat(allocatedBytes(disk)).isBetween(100L << 20, 1L << 30);
    }

    @ParameterizedTest
    @ValueSource(strings = {"base-python", "base-node", "code-runner-beta"})
    void a_disk_tells_nothing_of_this_machine_and_keeps_nothing_of_its_making(String name) {
        var disk = disk(name);

        assertThat(debugfs(disk, "cat /etc/resolv.conf")).isEmpty();
        assertThat(debugfs(disk, "cat /etc/hosts")).contains("127.0.1.1 capsule");
        assertThat(debugfs(disk, "cat /etc/apt/sources.list"))
                .isEqualTo(debugfs(minimal, "cat /etc/apt/sources.list"));
        assertThat(debugfs(disk, "ls -p /etc/apt/apt.conf.d"))
                .isEqualTo(debugfs(minimal, "ls -p /etc/apt/apt.conf.d"));
        for (var folder : List.of("/mnt", "/tmp", "/run", "/var/lib/apt/lists", "/root/.cache")) {
            assertThat(debugfs(disk, "ls -p " + folder))
                    .as(folder)
                    .doesNotContain("Packages", "pip", "setup", "work", "requirements");
        }
        assertThat(debugfs(disk, "ls -p /usr/sbin")).doesNotContain("/policy-rc.d/");
        assertThat(debugfs(disk, "ls -p /var/cache/apt/archives")).doesNotContain(".deb");
    }

    @Test
    void a_disk_that_is_there_is_not_made_again() {
        disk("base-python");
        var steps = new ArrayList<String>();

        cached.disk("base-python", steps::add);

        assertThat(steps).isEmpty();
    }

    @Test
    void the_revision_is_in_the_name_and_differs_from_recipe_to_recipe() {
        var made = cached.disk("base-python", _ -> {});

        assertThat(made.file().getFileName())
                .hasToString("base-python-" + made.revision() + ".ext4");
        assertThat(cached.all().stream().map(StockTemplate::revision)).doesNotHaveDuplicates();
        var other = Files.exists(minimal) ? minimal.resolveSibling("minimal-other.ext4") : minimal;
        assertThat(
                        new StockDisks(temporary, other, new Disks(), InstantSource.system())
                                .all().stream().map(StockTemplate::revision))
                .doesNotContainAnyElementsOf(
                        cached.all().stream().map(StockTemplate::revision).toList());
    }

    @Test
    void an_unknown_name_is_refused() {
        assertThatThrownBy(() -> disk("base-cobol"))
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.ABSENT));
    }

    /** As another process sees it: the locks of one process do not keep that process out. */
    private static boolean isLockedForOthers(Path folder) {
        var script =
                "import fcntl,sys; fcntl.lockf(open(sys.argv[1],'a'), fcntl.LOCK_EX | fcntl.LOCK_NB)";
        var lock = folder.resolve(".lock").toString();
        return !Command.of("python3", "-c", script, lock).tryRun().isSuccess();
    }

    @Test
    void an_interrupted_making_leaves_neither_disk_nor_mount_nor_process() throws Exception {
        var folder = Files.createDirectory(temporary.resolve("interrupted"));
        var disks = stock(folder);
        var steps = new java.util.concurrent.LinkedBlockingQueue<String>();
        var failure = new java.util.concurrent.CompletableFuture<Throwable>();

        var maker =
                Thread.ofVirtual()
                        .start(() -> {
                            try {
                                disks.disk("base-python", steps::add);
                                failure.complete(new AssertionError("it was made"));
                            } catch (WrennException e) {
                                failure.complete(e);
                            }
                        });
        steps.take(); // its disk is mounted now
        disks.removeSuperseded();
        assertThat(isLockedForOthers(folder)).isTrue();
        maker.interrupt();

        assertThat(failure.get()).isInstanceOf(GuestImageFailed.class);
        Eventually.within(
                Duration.ofSeconds(20),
                "nothing of it is left",
                () -> {
                    var left = Command.of("pgrep", "--full", folder.toString()).tryRun();
                    var loops = Command.of("losetup", "--all", "--list").run().stdout();
                    return !left.isSuccess() && !loops.contains(folder.toString());
                });
        assertThat(Command.of("findmnt", "--list", "--noheadings").run().stdout())
                .doesNotContain(folder.toString());
        disks.removeSuperseded();
        try (var left = Files.list(folder)) {
            assertThat(left.map(p -> p.getFileName().toString())).containsExactly(".lock");
        }
    }
}
