package dev.wrenn.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.contract.host.HostState;
import dev.wrenn.host.capsule.PauseStep;
import dev.wrenn.host.capsule.ResumeStep;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Every step of a start and of a pause fails once: nothing is left behind and nothing is lost. */
@Tag("vm")
@ExtendWith(LabExtension.class)
class StepFailureVmTest {
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

    private Set<String> snapshots() throws IOException {
        try (var entries = Files.list(lab.store().resolve("snapshots"))) {
            return entries.map(e -> e.getFileName().toString()).collect(Collectors.toSet());
        }
    }
}
