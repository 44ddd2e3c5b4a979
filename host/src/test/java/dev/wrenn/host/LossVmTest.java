package dev.wrenn.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.wrenn.base.Command;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.host.capsule.PauseStep;
import dev.wrenn.host.capsule.ResumeStep;
import dev.wrenn.testkit.Eventually;
import dev.wrenn.testkit.HostInventory;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** VMs that die, guests that do not answer, pages that cannot be read. */
@Tag("vm")
@ExtendWith(LabExtension.class)
class LossVmTest {
    private final HostLab lab;

    LossVmTest(HostLab lab) {
        this.lab = lab;
    }

    @Test
    void a_capsule_whose_vm_dies_is_paused_as_it_was_saved() {
        var capsule = lab.capsule();
        lab.shell(capsule, "echo saved > /run/state");
        lab.host().pause(capsule);
        var before = lab.restingInventory();
        lab.host().resume(capsule);
        lab.shell(capsule, "echo lost > /run/state");

        assertThat(lab.vmm(capsule).destroyForcibly()).isTrue();

        lab.awaitState(capsule, HostState.PAUSED);
        assertThat(lab.host().describe(capsule).reason()).contains("ended unexpectedly", "resumed");
        lab.host().resume(capsule);
        assertThat(lab.shell(capsule, "cat /run/state")).isEqualTo("saved");
        lab.host().pause(capsule);
        lab.assertNothingLeftSince(before);
    }

    @Test
    void a_capsule_that_was_never_saved_has_failed_when_its_vm_dies() {
        var capsule = lab.capsule();

        assertThat(lab.vmm(capsule).destroyForcibly()).isTrue();

        lab.awaitState(capsule, HostState.FAILED);
        assertThatThrownBy(() -> lab.host().resume(capsule))
                .isInstanceOfSatisfying(
                        WrennException.class,
                        e -> assertThat(e.kind()).isEqualTo(Kind.WRONG_STATE));
        lab.host().destroy(capsule);
    }

    @Test
    void a_guest_that_ends_its_machine_is_reported_as_such() {
        var capsule = lab.pausedCapsule();
        lab.host().resume(capsule);

        try (var session = lab.host().guest(capsule)) {
            session.start(ProcessStart.of("/bin/sh", List.of("-c", "echo b > /proc/sysrq-trigger")))
                    .close();
        }

        lab.awaitState(capsule, HostState.PAUSED);
        assertThat(lab.host().describe(capsule).reason()).contains("shut itself down");
    }

    @ParameterizedTest
    @EnumSource(names = {"VMM_RECORD", "VCPUS", "GUEST", "SERVING_RECORD", "READY"})
    void a_vmm_that_dies_during_a_resume_fails_it_at_once(ResumeStep step) {
        var capsule = lab.pausedCapsule();
        var before = lab.restingInventory();
        lab.faults.at(step, () -> killVmm(capsule));

        var watch = Stopwatch.start();
        if (step == ResumeStep.SERVING_RECORD || step == ResumeStep.READY) {
            lab.host().resume(capsule); // it had answered: lost a moment later
            lab.awaitState(capsule, HostState.PAUSED);
        } else {
            var failure =
                    catchThrowableOfType(WrennException.class, () -> lab.host().resume(capsule));
            assertThat(failure.kind()).isEqualTo(Kind.UNAVAILABLE);
            assertThat(failure).hasMessageContaining("unexpectedly");
        }

        assertThat(watch.elapsed()).as("not the whole start limit").isLessThan(HostLab.START_LIMIT);
        assertThat(lab.stateOf(capsule)).isEqualTo(HostState.PAUSED);
        assertNothingLeft(capsule, before);
    }

    @ParameterizedTest
    @EnumSource(names = {"QUIESCE", "FREEZE", "VM_STATE", "MEMORY", "SEAL", "JOURNAL"})
    void a_vmm_that_dies_during_a_pause_costs_no_saved_state(PauseStep step) {
        var capsule = lab.capsule();
        lab.shell(capsule, "echo saved > /run/state");
        lab.host().pause(capsule);
        var before = lab.restingInventory();
        lab.host().resume(capsule);
        lab.shell(capsule, "echo later > /run/state");
        lab.faults.at(step, () -> killVmm(capsule));

        // Once everything is saved, it does not matter any more whether the VM lives. A VMM that
        // writes the memory itself has done so when it is to be copied.
        var failure = catchThrowableOfType(WrennException.class, () -> lab.host().pause(capsule));
        var isSavedByThen = failure == null;
        switch (step) {
            case SEAL, JOURNAL -> assertThat(failure).isNull();
            case MEMORY -> {}
            default -> assertThat(failure).isNotNull();
        }

        lab.awaitState(capsule, HostState.PAUSED);
        lab.host().resume(capsule);
        assertThat(lab.shell(capsule, "cat /run/state"))
                .isEqualTo(isSavedByThen ? "later" : "saved");
        lab.host().pause(capsule);
        lab.assertNothingLeftSince(before);
    }

    @Test
    void a_guest_agent_that_never_answers_fails_the_resume_at_the_start_limit() {
        var capsule = lab.pausedCapsule();
        var before = lab.restingInventory();
        lab.faults.at(ResumeStep.GUEST, () -> signal(capsule, "STOP"));

        var watch = Stopwatch.start();
        assertThatThrownBy(() -> lab.host().resume(capsule))
                .isInstanceOf(WrennException.class)
                .hasMessageContaining("did not answer within");

        assertThat(watch.elapsed())
                .isBetween(
                        HostLab.START_LIMIT.minusSeconds(1),
                        HostLab.START_LIMIT.plus(Duration.ofSeconds(10)));
        assertNothingLeft(capsule, before);
    }

    /** Behind the back of the checks at the opening: what is served is checked by itself. */
    @Test
    void a_layer_that_is_damaged_once_it_is_open_fails_the_resume() {
        var capsule = lab.capsule();
        lab.memory(capsule, 8).fill(0, 8);
        var layer = lab.save(capsule).layer();
        var before = lab.restingInventory();
        lab.faults.at(ResumeStep.PAGES, () -> flipAll(layer));

        var watch = Stopwatch.start();
        var failure = catchThrowableOfType(WrennException.class, () -> lab.host().resume(capsule));
        flipAll(layer); // back

        assertThat(failure.kind()).isEqualTo(Kind.CORRUPT);
        assertThat(failure).hasMessageContaining("damaged");
        assertThat(watch.elapsed()).isLessThan(HostLab.START_LIMIT);
        assertNothingLeft(capsule, before);
    }

    /**
     * An attempt to connect to a guest that is gone ends a second later, and its number is given
     * back when the HTTP client's selector wakes up after that, which a later run's traffic does.
     */
    private void assertNothingLeft(CapsuleId capsule, HostInventory before) {
        Eventually.holds(
                Duration.ofSeconds(60),
                () -> {
                    assertThat(lab.host().resume(capsule).state()).isEqualTo(HostState.RUNNING);
                    lab.host().pause(capsule);
                    before.assertRestored(lab.view(), Duration.ofSeconds(15));
                });
    }

    private void killVmm(CapsuleId capsule) {
        signal(capsule, "KILL");
        Eventually.within(HostLab.SOON, "the VMM is gone", () -> lab.vmmOf(capsule).isEmpty());
    }

    private void signal(CapsuleId capsule, String signal) {
        var vmm = lab.vmmOf(capsule).orElseThrow();
        Command.of("kill", "-" + signal, Long.toString(vmm.pid())).run();
    }

    /** Changes a bit of every 64 KiB behind the header; the same again puts them back. */
    private static void flipAll(Path layer) {
        try (var file = new RandomAccessFile(layer.toFile(), "rw")) {
            for (long at = 8192; at < file.length() - 4096; at += 65536) {
                file.seek(at);
                int now = file.read();
                file.seek(at);
                file.write(now ^ 1);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
