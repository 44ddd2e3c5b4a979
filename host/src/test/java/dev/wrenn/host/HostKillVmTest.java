package dev.wrenn.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Command;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.host.HostCheckpoint;
import dev.wrenn.contract.host.HostCheckpoint.Cause;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.host.capsule.PauseStep;
import dev.wrenn.host.capsule.ResumeStep;
import dev.wrenn.testkit.HostInventory;
import dev.wrenn.testkit.HostView;
import dev.wrenn.testkit.Slowness;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A host agent that is killed: the next one finds every capsule as it was promised, and nothing is
 * left of what was under way (gaps D3, D4).
 */
@Tag("vm")
class HostKillVmTest {
    private static final int RANDOM_KILLS = 10;
    private static final Duration RANDOM_LIMIT = Duration.ofSeconds(60);

    private static Path folder;

    @BeforeAll
    static void bootTheTemplate() {
        folder = HostLab.newDataFolder();
        try (var lab = HostLab.on(folder)) {
            lab.host().destroy(lab.capsule());
        }
    }

    @AfterAll
    static void remove() {
        HostLab.deleteFolder(folder);
    }

    /** All that a host agent may leave on the machine: nothing, once it was closed. */
    private static HostView view() {
        var prefix = Host.prefixOf(folder);
        return HostInventory.view().marked(prefix).under(Path.of("/run/wrenn", prefix, "r"));
    }

    private static void assertNothingOnTheMachine() {
        assertThat(view().take().things().values())
                .allSatisfy(things ->
                        assertThat(things.keySet())
                                .allMatch(name -> name.equals(runs()) || name.isEmpty()));
    }

    private static String runs() {
        return "/run/wrenn/" + Host.prefixOf(folder) + "/r";
    }

    @Test
    void a_running_capsule_is_taken_over_as_it_is() {
        var capsule = CapsuleId.random();
        try (var child = KillableHostProcess.start(folder).awaitReady()) {
            child.ask("create " + capsule);
            child.ask("mark " + capsule + " before");
            child.kill();
        }

        try (var lab = HostLab.on(folder)) {
            assertThat(lab.stateOf(capsule)).isEqualTo(HostState.RUNNING);
            assertThat(lab.host().describe(capsule).hostAddress()).isNotEmpty();
            assertThat(lab.shell(capsule, "cat /run/mark; find / -xdev -name os-release | wc -l"))
                    .as("also pages that nobody has touched before are served")
                    .startsWith("before\n");
            lab.host().pause(capsule);
            lab.host().resume(capsule);
            assertThat(lab.shell(capsule, "cat /run/mark")).isEqualTo("before");
            lab.host().destroy(capsule);
        }
        assertNothingOnTheMachine();
    }

    @ParameterizedTest
    @EnumSource(names = {"SLOT_RECORD", "VMM_RECORD", "GUEST", "SERVING_RECORD", "READY"})
    void a_resume_that_was_cut_by_a_kill_is_undone(ResumeStep step) {
        var capsule = CapsuleId.random();
        try (var child = KillableHostProcess.start(folder).awaitReady()) {
            child.ask("create " + capsule);
            child.ask("mark " + capsule + " saved");
            child.ask("pause " + capsule);
            child.ask("die-at resume-" + step);
            child.tell("resume " + capsule);
            child.awaitEnd();
        }

        try (var lab = HostLab.on(folder)) {
            assertThat(lab.stateOf(capsule))
                    .isEqualTo(step == ResumeStep.READY ? HostState.RUNNING : HostState.PAUSED);
            if (step != ResumeStep.READY) {
                lab.host().resume(capsule);
            }
            assertThat(lab.shell(capsule, "cat /run/mark")).isEqualTo("saved");
            lab.host().destroy(capsule);
        }
        assertNothingOnTheMachine();
    }

    @ParameterizedTest
    @EnumSource(names = {"VMM", "VMM_RECORD", "READY"})
    void a_create_that_was_cut_by_a_kill_leaves_nothing_or_a_whole_capsule(ResumeStep step) {
        var capsule = CapsuleId.random();
        try (var child = KillableHostProcess.start(folder).awaitReady()) {
            child.ask("die-at resume-" + step);
            child.tell("create " + capsule);
            child.awaitEnd();
        }

        try (var lab = HostLab.on(folder)) {
            if (step == ResumeStep.READY) {
                assertThat(lab.stateOf(capsule)).isEqualTo(HostState.RUNNING);
                assertThat(lab.shell(capsule, "echo alive")).isEqualTo("alive");
                lab.host().destroy(capsule);
            }
            assertThat(lab.host().inventory()).isEmpty();
        }
        assertNothingOnTheMachine();
    }

    @ParameterizedTest
    @EnumSource(names = {"VM_STATE", "MEMORY", "SEAL", "JOURNAL", "VM_END"})
    void a_pause_that_was_cut_by_a_kill_costs_nothing(PauseStep step) {
        var capsule = CapsuleId.random();
        try (var child = KillableHostProcess.start(folder).awaitReady()) {
            child.ask("create " + capsule);
            child.ask("mark " + capsule + " latest");
            child.ask("die-at pause-" + step);
            child.tell("pause " + capsule);
            child.awaitEnd();
        }

        try (var lab = HostLab.on(folder)) {
            assertThat(lab.stateOf(capsule))
                    .as("its VM was there when the host agent died")
                    .isEqualTo(HostState.RUNNING);
            assertThat(lab.shell(capsule, "cat /run/mark")).isEqualTo("latest");
            lab.host().pause(capsule);
            lab.host().resume(capsule);
            assertThat(lab.shell(capsule, "cat /run/mark")).isEqualTo("latest");
            lab.host().destroy(capsule);
        }
        assertNothingOnTheMachine();
    }

    @ParameterizedTest
    @EnumSource(names = {"FREEZE", "MEMORY", "SEAL", "JOURNAL"})
    void a_checkpoint_that_was_cut_by_a_kill_costs_nothing(PauseStep step) {
        var capsule = CapsuleId.random();
        try (var child = KillableHostProcess.start(folder).awaitReady()) {
            child.ask("create " + capsule);
            child.ask("mark " + capsule + " first");
            child.ask("checkpoint " + capsule + " first");
            child.ask("mark " + capsule + " latest");
            child.ask("die-at pause-" + step);
            child.tell("checkpoint " + capsule + " latest");
            child.awaitEnd();
        }

        try (var lab = HostLab.on(folder)) {
            assertThat(lab.stateOf(capsule)).isEqualTo(HostState.RUNNING);
            assertThat(lab.shell(capsule, "cat /run/mark")).isEqualTo("latest");
            assertThat(lab.history(capsule))
                    .extracting(HostCheckpoint::name)
                    .containsExactly("first");
            var first = lab.history(capsule).getFirst().id();
            lab.host().pause(capsule);
            lab.host().resume(capsule);
            assertThat(lab.shell(capsule, "cat /run/mark")).isEqualTo("latest");
            lab.host().checkpoints().rollback(capsule, first);
            assertThat(lab.shell(capsule, "cat /run/mark")).isEqualTo("first");
            lab.host().destroy(capsule);
        }
        assertNothingOnTheMachine();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "pause-SEAL",
                "pause-JOURNAL",
                "pause-VM_END",
                "resume-RUN_FOLDER",
                "resume-VMM_RECORD",
                "resume-READY"
            })
    void a_rollback_that_was_cut_by_a_kill_keeps_both_states(String step) {
        var capsule = CapsuleId.random();
        try (var child = KillableHostProcess.start(folder).awaitReady()) {
            child.ask("create " + capsule);
            child.ask("mark " + capsule + " first");
            child.ask("checkpoint " + capsule + " first");
            child.ask("mark " + capsule + " latest");
            child.ask("die-at " + step);
            child.tell("rollback " + capsule + " first");
            child.awaitEnd();
        }

        boolean isDecided = step.startsWith("resume-");
        try (var lab = HostLab.on(folder)) {
            assertThat(lab.stateOf(capsule))
                    .isEqualTo(
                            isDecided && !step.equals("resume-READY")
                                    ? HostState.PAUSED
                                    : HostState.RUNNING);
            if (lab.stateOf(capsule) == HostState.PAUSED) {
                lab.host().resume(capsule);
            }
            assertThat(lab.shell(capsule, "cat /run/mark"))
                    .isEqualTo(isDecided ? "first" : "latest");
            var other =
                    lab.history(capsule).stream()
                            .filter(c ->
                                    isDecided
                                            ? c.cause() == Cause.ROLLBACK
                                            : c.name().equals("first"))
                            .findFirst()
                            .orElseThrow();
            lab.host().checkpoints().rollback(capsule, other.id());
            assertThat(lab.shell(capsule, "cat /run/mark"))
                    .isEqualTo(isDecided ? "latest" : "first");
            lab.host().destroy(capsule);
        }
        assertNothingOnTheMachine();
    }

    @Test
    void after_a_reboot_a_capsule_is_as_it_was_last_paused() {
        var paused = CapsuleId.random();
        var running = CapsuleId.random();
        var never = CapsuleId.random();
        try (var child = KillableHostProcess.start(folder).awaitReady()) {
            for (var capsule : List.of(paused, running, never)) {
                child.ask("create " + capsule);
                child.ask("mark " + capsule + " saved");
            }
            child.ask("pause " + paused);
            child.ask("pause " + running);
            child.ask("resume " + running);
            child.ask("mark " + running + " lost");
            child.kill();
        }

        loseWhatARebootLoses();

        try (var lab = HostLab.on(folder)) {
            assertThat(lab.stateOf(never)).isEqualTo(HostState.FAILED);
            for (var capsule : List.of(paused, running)) {
                assertThat(lab.stateOf(capsule)).isEqualTo(HostState.PAUSED);
                lab.host().resume(capsule);
                assertThat(lab.shell(capsule, "cat /run/mark")).isEqualTo("saved");
            }
            lab.host().inventory().forEach(c -> lab.host().destroy(c.capsule()));
        }
        assertNothingOnTheMachine();
    }

    /** Processes, mounts, network and /run. */
    private static void loseWhatARebootLoses() {
        var prefix = Host.prefixOf(folder);
        for (var namespace : HostLab.names(Path.of("/run/netns"))) {
            if (namespace.startsWith(prefix + "-")) {
                endAllIn(namespace);
                Command.of("ip", "netns", "del", namespace).run();
            }
        }
        Command.of("umount", folder.resolve("volume").toString()).tryRun(); // if it was mounted
        Command.of("nft", "delete", "table", "inet", prefix + "_slots").tryRun();
        Command.of("rm", "-rf", "/run/wrenn/" + prefix).run();
    }

    /** VMMs run in the network namespaces of their slots. */
    private static void endAllIn(String namespace) {
        Command.of("ip", "netns", "pids", namespace)
                .run()
                .stdout()
                .lines()
                .flatMap(pid -> ProcessHandle.of(Long.parseLong(pid.strip())).stream())
                .forEach(p -> {
                    p.destroyForcibly();
                    p.onExit().join();
                });
    }

    @Test
    void kills_at_random_moments_lose_nothing_that_was_promised() {
        var seed = Long.getLong("wrenn.seed", new Random().nextLong());
        var random = new Random(seed);
        var watch = Stopwatch.start();
        int kills = 0;
        while (kills < RANDOM_KILLS && watch.elapsed().compareTo(RANDOM_LIMIT) < 0) {
            killOnce(random, "repeat with -Dwrenn.seed=" + seed + ", kill " + kills);
            kills++;
        }
        assertThat(kills).isPositive();
        assertNothingOnTheMachine();
    }

    private static void killOnce(Random random, String about) {
        var capsule = CapsuleId.random();
        var promised = new ArrayList<String>();
        try (var child = KillableHostProcess.start(folder).awaitReady()) {
            child.tell("create " + capsule);
            for (int i = 0; i < 20; i++) {
                child.tell("mark " + capsule + " " + i);
                child.tell("pause " + capsule);
                child.tell("resume " + capsule);
            }
            LockSupport.parkNanos(
                    Slowness.scaled(Duration.ofMillis(200 + random.nextInt(2500))).toNanos());
            child.kill();
            for (var answer = child.read(); answer.isPresent(); answer = child.read()) {
                promised.add(answer.get());
            }
        }

        try (var lab = HostLab.on(folder)) {
            assertThat(promised).as(about).allMatch(p -> p.startsWith("done "));
            var found = lab.host().inventory();
            if (promised.isEmpty()) {
                found.forEach(c -> lab.host().destroy(c.capsule()));
                return; // killed while it was created: either is right
            }
            assertThat(found).as(about).hasSize(1);
            assertThat(found.getFirst().state())
                    .as(about)
                    .isIn(HostState.RUNNING, HostState.PAUSED);
            if (found.getFirst().state() == HostState.PAUSED) {
                lab.host().resume(capsule);
            }
            long marks = promised.stream().filter(p -> p.startsWith("done mark")).count();
            if (marks > 0) {
                // The order after the last answered one may have been done as well.
                assertThat(Long.parseLong(lab.shell(capsule, "cat /run/mark")))
                        .as(about)
                        .isBetween(marks - 1, marks);
            }
            lab.host().destroy(capsule);
        }
    }
}
