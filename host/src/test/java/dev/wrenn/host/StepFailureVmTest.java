package dev.wrenn.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Command;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.host.ForkResult.Child;
import dev.wrenn.contract.host.HostCheckpoint;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.host.capsule.PauseStep;
import dev.wrenn.host.capsule.ResumeStep;
import dev.wrenn.testkit.Eventually;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;

/** Every step of a start and of a pause fails once: nothing is left behind and nothing is lost. */
@Tag("vm")
@ExtendWith(LabExtension.class)
class StepFailureVmTest {
    private static final Duration AFTER_A_COLLECTION = Duration.ofSeconds(60);

    private final HostLab lab;

    StepFailureVmTest(HostLab lab) {
        this.lab = lab;
    }

    @ParameterizedTest
    @EnumSource
    void a_resume_that_fails_at_any_step_leaves_nothing_behind(ResumeStep step) {
        var capsule = lab.pausedCapsule();
        var before = lab.restingInventory();
        lab.faults.failAt(step);

        assertThatThrownBy(() -> lab.host().resume(capsule)).isInstanceOf(Faults.Injected.class);

        lab.assertNothingLeftSince(before);
        assertThat(HostLab.threadsFor(capsule)).isEmpty();
        assertThat(lab.stateOf(capsule)).isEqualTo(HostState.PAUSED);
        lab.host().resume(capsule);
        assertThat(lab.shell(capsule, "echo alive")).isEqualTo("alive");
    }

    @ParameterizedTest
    @EnumSource
    void a_create_that_fails_at_any_step_leaves_nothing_behind(ResumeStep step) {
        lab.host().destroy(lab.capsule()); // the template is warm
        var before = lab.restingInventory();
        lab.faults.failAt(step);
        var order = lab.order();

        assertThatThrownBy(() -> lab.host().create(order)).isInstanceOf(Faults.Injected.class);

        assertThat(lab.host().inventory()).noneMatch(c -> c.capsule().equals(order.capsule()));
        lab.assertNothingLeftSince(before);
        assertThat(lab.host().create(order).state()).isEqualTo(HostState.RUNNING);
    }

    /** An immutable file can be deleted by nobody (ioctl_iflags(2)). */
    @Test
    void a_disk_that_cannot_be_deleted_fails_the_destruction_which_is_done_later() {
        lab.host().destroy(lab.capsule()); // the template is warm
        var before = lab.restingInventory();
        var capsule = lab.capsule();
        var disk = lab.volume().resolve("disks").resolve(capsule + ".raw").toString();
        Command.of("chattr", "+i", disk).run();

        try {
            assertThatThrownBy(() -> lab.host().destroy(capsule))
                    .isInstanceOf(WrennException.class)
                    .hasMessageContaining("cannot delete");
            assertThat(lab.stateOf(capsule)).isEqualTo(HostState.DESTROYING);
            assertThat(lab.vmmOf(capsule)).isEmpty();
        } finally {
            Command.of("chattr", "-i", disk).run();
        }

        Eventually.within(AFTER_A_COLLECTION, "it is gone", () -> lab.host().inventory().isEmpty());
        lab.assertNothingLeftSince(before);
    }

    @ParameterizedTest
    @EnumSource
    void a_pause_that_fails_at_any_step_leaves_the_capsule_running(PauseStep step)
            throws IOException {
        var capsule = lab.pausedCapsule();
        lab.host().resume(capsule);
        lab.shell(capsule, "echo kept > /run/since");
        var snapshots = snapshots();
        lab.faults.failAt(step);

        if (step.isCommitted() || step == PauseStep.WORKING_SET) {
            lab.host().pause(capsule);
        } else {
            assertThatThrownBy(() -> lab.host().pause(capsule)).isInstanceOf(Faults.Injected.class);
            assertThat(lab.stateOf(capsule)).isEqualTo(HostState.RUNNING);
            assertThat(snapshots()).as("the snapshot before, and no other").isEqualTo(snapshots);
            assertThat(lab.shell(capsule, "cat /run/since")).isEqualTo("kept");
            lab.host().pause(capsule);
        }

        assertThat(lab.faults.isPlanned(step)).as("the step was met").isFalse();
        assertThat(HostLab.threadsFor(capsule)).isEmpty();
        lab.host().resume(capsule);
        assertThat(lab.shell(capsule, "cat /run/since")).isEqualTo("kept");
    }

    @ParameterizedTest
    @EnumSource(
            names = {"VM_END"},
            mode = Mode.EXCLUDE)
    void a_checkpoint_that_fails_at_any_step_leaves_the_capsule_running(PauseStep step)
            throws IOException {
        var capsule = lab.capsule();
        lab.shell(capsule, "echo one > /run/note");
        var first = lab.host().checkpoints().checkpoint(capsule, "").id();
        lab.shell(capsule, "echo two > /run/note");
        var snapshots = snapshots();
        lab.faults.failAt(step);

        if (step == PauseStep.WORKING_SET) {
            lab.host().checkpoints().checkpoint(capsule, "");
        } else {
            assertThatThrownBy(() -> lab.host().checkpoints().checkpoint(capsule, ""))
                    .isInstanceOf(Faults.Injected.class);
            assertThat(lab.history(capsule)).extracting(HostCheckpoint::id).containsExactly(first);
            assertThat(snapshots()).as("the snapshot before, and no other").isEqualTo(snapshots);
            assertThat(lab.shell(capsule, "cat /run/note")).isEqualTo("two");
            lab.host().checkpoints().checkpoint(capsule, "");
        }

        assertThat(lab.faults.isPlanned(step)).as("the step was met").isFalse();
        assertThat(lab.stateOf(capsule)).isEqualTo(HostState.RUNNING);
        var second = lab.history(capsule).getFirst().id();
        lab.host().checkpoints().rollback(capsule, first);
        assertThat(lab.shell(capsule, "cat /run/note")).isEqualTo("one");
        lab.host().checkpoints().rollback(capsule, second);
        assertThat(lab.shell(capsule, "cat /run/note")).isEqualTo("two");
    }

    @ParameterizedTest
    @EnumSource(names = {"FREEZE", "MEMORY", "SEAL", "JOURNAL", "VM_END"})
    void a_rollback_whose_save_fails_leaves_the_capsule_running(PauseStep step) {
        var capsule = lab.capsule();
        lab.shell(capsule, "echo one > /run/note");
        var first = lab.host().checkpoints().checkpoint(capsule, "").id();
        lab.shell(capsule, "echo two > /run/note");
        lab.faults.failAt(step);

        if (step.isCommitted()) {
            lab.host().checkpoints().rollback(capsule, first);
        } else {
            assertThatThrownBy(() -> lab.host().checkpoints().rollback(capsule, first))
                    .isInstanceOf(Faults.Injected.class);
            assertThat(lab.stateOf(capsule)).isEqualTo(HostState.RUNNING);
            assertThat(lab.shell(capsule, "cat /run/note")).isEqualTo("two");
            assertThat(lab.history(capsule)).hasSize(1);
            lab.host().checkpoints().rollback(capsule, first);
        }

        assertThat(lab.faults.isPlanned(step)).as("the step was met").isFalse();
        assertThat(lab.shell(capsule, "cat /run/note")).isEqualTo("one");
    }

    @ParameterizedTest
    @EnumSource(names = {"RUN_FOLDER", "SNAPSHOT", "VMM", "GUEST", "READY"})
    void a_rollback_whose_start_fails_leaves_the_capsule_paused_at_what_was_chosen(
            ResumeStep step) {
        var capsule = lab.capsule();
        lab.shell(capsule, "echo one > /run/note");
        var first = lab.host().checkpoints().checkpoint(capsule, "").id();
        lab.shell(capsule, "echo two > /run/note");
        lab.faults.failAt(step);

        assertThatThrownBy(() -> lab.host().checkpoints().rollback(capsule, first))
                .isInstanceOf(Faults.Injected.class);

        assertThat(lab.stateOf(capsule)).isEqualTo(HostState.PAUSED);
        assertThat(HostLab.threadsFor(capsule)).isEmpty();
        var left = lab.history(capsule).getFirst();
        assertThat(left.cause()).isEqualTo(HostCheckpoint.Cause.ROLLBACK);
        lab.host().resume(capsule);
        assertThat(lab.shell(capsule, "cat /run/note")).isEqualTo("one");
        lab.host().checkpoints().rollback(capsule, left.id());
        assertThat(lab.shell(capsule, "cat /run/note")).isEqualTo("two");
    }

    @ParameterizedTest
    @EnumSource(names = {"RUN_FOLDER", "SNAPSHOT", "VMM", "GUEST", "READY"})
    void a_fork_that_fails_at_any_step_leaves_nothing_but_its_siblings(ResumeStep step) {
        var parent = lab.pausedCapsule();
        var before = lab.restingInventory();
        var order = lab.forkOf(parent, Optional.empty(), 2);
        lab.faults.failAt(step);

        var children = lab.host().checkpoints().fork(order).children();

        assertThat(children).hasAtLeastOneElementOfType(Child.Started.class);
        var refused = children.stream().filter(c -> c instanceof Child.Refused).toList();
        assertThat(refused).hasSize(1);
        assertThat(lab.host().inventory())
                .noneMatch(c -> c.capsule().equals(refused.getFirst().capsule()));
        children.stream()
                .filter(c -> c instanceof Child.Started)
                .forEach(c -> {
                    assertThat(lab.shell(c.capsule(), "echo alive")).isEqualTo("alive");
                    lab.host().destroy(c.capsule());
                });
        lab.assertNothingLeftSince(before);
        assertThat(lab.stateOf(parent)).isEqualTo(HostState.PAUSED);
    }

    private Set<String> snapshots() throws IOException {
        try (var entries = Files.list(lab.store().resolve("snapshots"))) {
            return entries.map(e -> e.getFileName().toString()).collect(Collectors.toSet());
        }
    }
}
