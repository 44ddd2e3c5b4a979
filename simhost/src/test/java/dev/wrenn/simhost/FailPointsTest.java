package dev.wrenn.simhost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.guest.ProcessEvent;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.contract.host.CreateCapsule;
import dev.wrenn.contract.host.HostState;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FailPointsTest {
    private static final String FULL = "the disk is full";

    @TempDir private Path folder;
    private SimHost host;
    private CapsuleId capsule;

    @BeforeEach
    void start() {
        var programs =
                new ScriptedPrograms(
                        Map.of(
                                "greet",
                                console -> {
                                    console.print("hello " + console.arguments().getFirst());
                                    return 4;
                                },
                                "wait",
                                console -> {
                                    console.read();
                                    return 0;
                                }));
        host = new SimHost(folder, programs, InstantSource.system());
        capsule = host.create(order()).capsule();
    }

    @AfterEach
    void stop() {
        host.close();
    }

    private static CreateCapsule order() {
        return new CreateCapsule(
                CapsuleId.random(), TemplateId.MINIMAL, 1, 256, Duration.ZERO, Map.of());
    }

    private HostState state() {
        return host.describe(capsule).state();
    }

    @Test
    void a_pause_that_fails_lets_the_capsule_run_on() {
        host.failPoints().failOnce(FailPoint.PAUSE, Kind.EXHAUSTED, FULL);

        assertThatThrownBy(() -> host.pause(capsule)).hasMessage(FULL);

        assertThat(state()).isEqualTo(HostState.RUNNING);
        assertThat(host.pause(capsule).state()).isEqualTo(HostState.PAUSED);
    }

    @Test
    void a_resume_that_fails_leaves_the_capsule_paused() {
        host.pause(capsule);
        host.failPoints().fail(FailPoint.RESUME, Kind.EXHAUSTED, FULL);

        assertThatThrownBy(() -> host.resume(capsule)).hasMessage(FULL);
        assertThatThrownBy(() -> host.resume(capsule)).hasMessage(FULL);

        assertThat(state()).isEqualTo(HostState.PAUSED);
        host.failPoints().clear(FailPoint.RESUME);
        assertThat(host.resume(capsule).state()).isEqualTo(HostState.RUNNING);
    }

    @Test
    void a_create_that_fails_leaves_nothing() {
        host.failPoints().failOnce(FailPoint.CREATE, Kind.EXHAUSTED, FULL);

        assertThatThrownBy(() -> host.create(order())).hasMessage(FULL);

        assertThat(host.inventory()).hasSize(1);
    }

    @Test
    void an_operation_at_a_gate_shows_its_state_and_waits() {
        try (var forks = new Forks()) {
            var gate = host.failPoints().block(FailPoint.PAUSE);
            var pausing = forks.start("pause", () -> host.pause(capsule));
            gate.awaitReached();

            assertThat(state()).isEqualTo(HostState.PAUSING);

            gate.open();
            assertThat(pausing.take(Duration.ofSeconds(10)).state()).isEqualTo(HostState.PAUSED);
        }
    }

    @Test
    void a_vm_that_ends_fails_unless_something_was_saved() {
        assertThat(host.loseVm(capsule, "it fell over").state()).isEqualTo(HostState.FAILED);
        var other = host.create(order()).capsule();
        host.pause(other);
        host.resume(other);

        assertThat(host.loseVm(other, "it fell over").state()).isEqualTo(HostState.PAUSED);
    }

    @Test
    void a_full_host_says_so() {
        host.limitTo(1);

        assertThatThrownBy(() -> host.create(order()))
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.EXHAUSTED));
    }

    @Test
    void scripts_run_as_processes_and_a_limit_ends_them() {
        try (var guest = host.guest(capsule)) {
            var greeting = guest.start(ProcessStart.of("greet", List.of("you")));
            assertThat(greeting.next().orElseThrow()).isInstanceOf(ProcessEvent.Started.class);
            assertThat(((ProcessEvent.Output) greeting.next().orElseThrow()).bytes())
                    .asString()
                    .isEqualTo("hello you");
            assertThat(greeting.next()).contains(new ProcessEvent.Ended(4, "exit status 4", false));

            var waiting = guest.start(ProcessStart.of("wait", List.of()));
            assertThat(waiting.next().orElseThrow()).isInstanceOf(ProcessEvent.Started.class);
            guest.signal(
                    new dev.wrenn.contract.guest.ProcessSelector.ByPid(
                            guest.processes().getFirst().pid()),
                    dev.wrenn.contract.guest.Signal.KILL);
            assertThat(((ProcessEvent.Ended) waiting.next().orElseThrow()).exitCode())
                    .isEqualTo(-1);
        }
    }
}
