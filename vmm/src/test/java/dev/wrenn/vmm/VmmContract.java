package dev.wrenn.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Command;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.DeadlinePassed;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.ProcessIdentity;
import dev.wrenn.testkit.Eventually;
import dev.wrenn.testkit.Slowness;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What every VMM must do; each driver has a test class that extends this one. */
@DisplayNameGeneration(ReplaceUnderscores.class)
abstract class VmmContract extends VmmScenario {
    private static final Duration SOON = Duration.ofSeconds(10);

    @Test
    void a_booted_guest_runs() {
        var vm = boot("");

        VmLab.awaitTick(vm, 3);

        assertThat(vm.isAlive()).isTrue();
        assertThat(vm.isRunning(VmLab.soon())).isTrue();
    }

    @Test
    void a_restored_guest_goes_on_where_it_was_frozen_in_a_fresh_process() {
        var frozen = frozenAt(5, "test.fill=32");

        var vm = restore(frozen);
        assertThat(vm.isRunning(VmLab.soon())).isFalse();
        vm.resume(VmLab.soon());
        VmLab.awaitTick(vm, frozen.lastTick() + 10);

        var console = vm.console(VmLab.soon());
        assertThat(VmLab.firstTick(console)).isEqualTo(frozen.lastTick() + 1);
        assertThat(console).doesNotContain("lost");
        assertThat(vm.process()).isNotEqualTo(frozen.process());
        assertThat(frozen.process().isAlive()).isFalse();
    }

    @Test
    void a_restored_guest_can_be_frozen_and_restored_again() {
        var first = frozenAt(3, "test.fill=8");
        var server = lab.serving(first.memory());
        var vm = lab.hold(vmm.restore(lab.spec, first.state(), VmLab.soon()));
        vm.resume(VmLab.soon());
        VmLab.awaitTick(vm, first.lastTick() + 5);

        var second = freeze(vm, server, first.memory(), "second.state()");
        var again = restore(second);
        again.resume(VmLab.soon());
        VmLab.awaitTick(again, second.lastTick() + 5);

        assertThat(VmLab.firstTick(again.console(VmLab.soon()))).isEqualTo(second.lastTick() + 1);
        assertThat(again.console(VmLab.soon())).doesNotContain("lost");
    }

    @Test
    void a_guest_that_is_saved_twenty_times_loses_no_byte_of_memory_and_no_write() {
        var frozen = frozenAt(2, "test.fill=24 test.churn");
        for (int cycle = 0; cycle < 20; cycle++) {
            var server = lab.serving(frozen.memory());
            var vm = lab.hold(vmm.restore(lab.spec, frozen.state(), VmLab.soon()));
            vm.resume(VmLab.soon());
            VmLab.awaitTick(vm, frozen.lastTick() + 4);
            var next = freeze(vm, server, frozen.memory(), "state-" + cycle);
            // A line may have been cut in two by the freeze.
            assertThat(frozen.console() + next.console())
                    .contains("tick %d\n".formatted(frozen.lastTick() + 1));
            assertThat(next.console()).as("cycle %d", cycle).doesNotContain("lost");
            assertThat(diskBlock()).as("cycle %d", cycle).matches(aboutTick(next.lastTick()));
            frozen = next;
        }
    }

    @Test
    void a_second_save_holds_what_the_first_held_and_what_changed_since() {
        var first = frozenAt(3, "test.fill=8 test.churn");
        var server = lab.serving(first.memory());
        var vm = lab.hold(vmm.restore(lab.spec, first.state(), VmLab.soon()));
        vm.resume(VmLab.soon());
        VmLab.awaitTick(vm, first.lastTick() + 3);
        vm.freeze(VmLab.soon());
        vm.saveState(folder.resolve("given up"), VmLab.soon());
        int tick = VmLab.lastTick(vm.console(VmLab.soon()));
        vm.resume(VmLab.soon());
        VmLab.awaitTick(vm, tick + 3);

        var second = freeze(vm, server, first.memory(), "second.state()");
        var again = restore(second);
        again.resume(VmLab.soon());
        VmLab.awaitTick(again, second.lastTick() + 10);

        assertThat(again.console(VmLab.soon())).doesNotContain("lost");
    }

    @Test
    void what_a_restored_guest_touched_is_installed_ahead_next_time() throws IOException {
        var frozen = frozenAt(3, "test.fill=16");
        var disk = Files.copy(lab.spec.disk(), folder.resolve("disk of the snapshot"));
        var first = lab.serving(frozen.memory());
        var vm = lab.hold(vmm.restore(lab.spec, frozen.state(), VmLab.soon()));
        vm.resume(VmLab.soon());
        VmLab.awaitTick(vm, frozen.lastTick() + 5);
        var touched = first.firstTouches();
        long faults = first.stats().faults();
        vm.close();
        first.close();

        var second = lab.serving(frozen.memory(), touched);
        var again = lab.hold(vmm.restore(lab.specWithDisk(disk), frozen.state(), VmLab.soon()));
        again.resume(VmLab.soon());
        VmLab.awaitTick(again, frozen.lastTick() + 5);

        assertThat(faults).isPositive();
        assertThat(touched.size()).isPositive();
        assertThat(second.stats().prefetchedPages()).isPositive();
        assertThat(second.stats().faults()).isLessThan(faults / 2);
        assertThat(again.console(VmLab.soon())).doesNotContain("lost");
    }

    @Test
    void a_restore_without_a_page_server_fails_and_leaves_nothing() {
        var frozen = frozenAt(2, "");

        assertThatThrownBy(() -> vmm.restore(lab.spec, frozen.state(), VmLab.soon()))
                .isInstanceOfAny(VmDied.class, VmmFailed.class);
    }

    @Test
    void after_a_save_the_vm_can_run_on_and_be_saved_again() {
        var vm = boot("");
        VmLab.awaitTick(vm, 2);
        vm.freeze(VmLab.soon());
        vm.saveState(folder.resolve("first"), VmLab.soon());
        int tick = VmLab.lastTick(vm.console(VmLab.soon()));

        vm.resume(VmLab.soon());
        VmLab.awaitTick(vm, tick + 5);
        vm.freeze(VmLab.soon());
        vm.saveState(folder.resolve("second"), VmLab.soon());

        assertThat(folder.resolve("first")).isNotEmptyFile();
        assertThat(folder.resolve("second")).isNotEmptyFile();
        assertThat(vm.console(VmLab.soon())).doesNotContain("disk lost");
    }

    @Test
    void a_save_that_fails_leaves_no_file_and_a_vm_that_runs_on() throws IOException {
        var vm = boot("");
        VmLab.awaitTick(vm, 2);
        vm.freeze(VmLab.soon());
        var full = Files.createDirectory(folder.resolve("full"));
        Command.of("mount", "-t", "tmpfs", "-o", "size=8k", lab.name, full.toString()).run();
        try {
            assertThatThrownBy(() -> vm.saveState(full.resolve("state"), VmLab.soon()))
                    .isInstanceOf(VmmFailed.class);

            assertThat(full).isEmptyDirectory();
        } finally {
            Command.of("umount", full.toString()).run();
        }
        int tick = VmLab.lastTick(vm.console(VmLab.soon()));
        vm.resume(VmLab.soon());
        VmLab.awaitTick(vm, tick + 5);
        vm.freeze(VmLab.soon());
        vm.saveState(folder.resolve("state"), VmLab.soon());
        assertThat(folder.resolve("state")).isNotEmptyFile();
    }

    @Test
    void a_running_vm_is_not_saved() {
        var vm = boot("");

        assertThatThrownBy(() -> vm.saveState(folder.resolve("state"), VmLab.soon()))
                .isInstanceOfSatisfying(
                        WrennException.class,
                        e -> assertThat(e.kind()).isEqualTo(Kind.WRONG_STATE));
        assertThat(vm.isRunning(VmLab.soon())).isTrue();
    }

    @Test
    void what_the_guest_wrote_is_in_the_image_once_it_is_frozen() {
        var vm = boot("");
        VmLab.awaitTick(vm, 3);

        vm.freeze(VmLab.soon());

        int last = VmLab.lastTick(vm.console(VmLab.soon()));
        assertThat(diskBlock()).matches(aboutTick(last));
    }

    @Test
    void a_state_that_is_cut_off_is_refused() throws IOException {
        var frozen = frozenAt(2, "");
        var bytes = Files.readAllBytes(frozen.state());
        var cut = folder.resolve("cut.state");
        Files.write(cut, Arrays.copyOf(bytes, bytes.length / 2));
        lab.serving(frozen.memory());

        assertThatThrownBy(() -> vmm.restore(lab.spec, cut, VmLab.soon()))
                .isInstanceOfAny(VmDied.class, VmmFailed.class);
    }

    @Test
    void a_vm_that_is_killed_while_it_loads_fails_the_restore_at_once() {
        var frozen = frozenAt(2, "");
        frozen.memory().block();
        var server = lab.serving(frozen.memory());
        try (var forks = new Forks()) {
            var restoring =
                    forks.start(
                            "restore", () -> vmm.restore(lab.spec, frozen.state(), VmLab.soon()));
            server.awaitConnected(VmLab.soon());

            kill("-KILL", server.vmmPid());

            assertThatThrownBy(() -> restoring.take(Slowness.scaled(SOON)))
                    .isInstanceOf(VmDied.class);
        } finally {
            frozen.memory().unblock();
        }
    }

    @Test
    void a_vm_that_is_killed_is_reported_and_refuses_every_call() {
        var vm = boot("");
        var ends = new ConcurrentLinkedQueue<VmEnd>();
        vm.onEnd(ends::add);

        kill("-KILL", vm.process().pid());

        Eventually.within(SOON, () -> !ends.isEmpty());
        assertThat(ends).singleElement().extracting(VmEnd::cause).isEqualTo(VmEnd.Cause.VMM);
        assertThat(vm.isAlive()).isFalse();
        assertThatThrownBy(() -> vm.resume(VmLab.soon())).isInstanceOf(VmDied.class);
        assertThatThrownBy(() -> vm.freeze(VmLab.soon())).isInstanceOf(VmDied.class);
        assertThatThrownBy(() -> vm.saveState(folder.resolve("state"), VmLab.soon()))
                .isInstanceOf(VmDied.class);
        vm.onEnd(ends::add);
        assertThat(ends).hasSize(2);
    }

    @ParameterizedTest
    @ValueSource(strings = {"resume", "freeze", "save"})
    void a_call_that_is_under_way_fails_at_once_when_the_vm_is_killed(String call) {
        var vm = boot("");
        VmLab.awaitTick(vm, 1);
        if (!call.equals("freeze")) {
            vm.freeze(VmLab.soon());
        }
        kill("-STOP", vm.process().pid());
        try (var forks = new Forks()) {
            var calling =
                    forks.start(
                            call,
                            () -> {
                                call(call).accept(vm);
                                return true;
                            });
            assertThatThrownBy(() -> calling.take(Duration.ofMillis(200)))
                    .isInstanceOf(DeadlinePassed.class);

            kill("-KILL", vm.process().pid());

            assertThatThrownBy(() -> calling.take(Slowness.scaled(SOON)))
                    .isInstanceOf(VmDied.class);
        }
        assertThat(folder.resolve("state")).doesNotExist();
    }

    @Test
    void a_vmm_that_does_not_answer_costs_the_deadline_and_can_go_on_later() {
        var vm = boot("");
        VmLab.awaitTick(vm, 1);
        kill("-STOP", vm.process().pid());

        assertThatThrownBy(() -> vm.freeze(Deadline.after(Duration.ofMillis(100))))
                .isInstanceOf(DeadlinePassed.class);

        kill("-CONT", vm.process().pid());
        vm.freeze(VmLab.soon());
        assertThat(vm.isRunning(VmLab.soon())).isFalse();
    }

    @ParameterizedTest
    @ValueSource(strings = {"reboot", "panic"})
    void a_guest_that_ends_itself_is_reported_with_its_last_words(String how) {
        var ends = new ConcurrentLinkedQueue<VmEnd>();
        var vm = boot("test.end=" + how);
        vm.onEnd(ends::add);

        Eventually.within(Duration.ofSeconds(60), () -> !ends.isEmpty());

        assertThat(ends.peek().cause()).isEqualTo(VmEnd.Cause.GUEST);
        assertThat(ends.peek().lastOutput()).contains("tick 3");
        assertThat(vm.isAlive()).isFalse();
    }

    @Test
    void a_guest_writes_no_faster_than_its_disk_may_be_booted_and_restored() {
        var limits =
                new DeviceLimits(
                        Optional.of(ByteSize.mib(1)), OptionalLong.empty(), Optional.empty());
        var limited = lab.hold(open(limits));
        var server = lab.announced(limited);
        var vm = lab.hold(limited.boot(lab.spec, lab.source("test.write"), VmLab.soon()));
        VmLab.awaitTick(vm, 2);
        assertMibEachSecond(vm);

        var frozen = freeze(vm, server, lab.memory(), "state");
        lab.serving(frozen.memory());
        var again = lab.hold(limited.restore(lab.spec, frozen.state(), VmLab.soon()));
        again.resume(VmLab.soon());
        VmLab.awaitTick(again, frozen.lastTick() + 2);
        assertMibEachSecond(again);
    }

    /** Each tick is a MiB. */
    private static void assertMibEachSecond(Vm vm) {
        int before = VmLab.lastTick(vm.console(VmLab.soon()));
        var watch = Stopwatch.start();
        VmLab.awaitTick(vm, before + 4);
        assertThat(watch.elapsed()).isGreaterThan(Duration.ofSeconds(2));
    }

    @Test
    void a_guest_that_floods_its_console_fills_nothing() throws IOException {
        var vm = boot("test.flood");

        Eventually.within(
                Duration.ofSeconds(60), () -> vm.console(VmLab.soon()).contains("flood\nflood "));

        assertThat(vm.console(VmLab.soon()).length()).isLessThanOrEqualTo(8192);
        try (var files = Files.list(lab.spec.runFolder())) {
            assertThat(files.filter(Files::isRegularFile).mapToLong(f -> f.toFile().length()).sum())
                    .isLessThan(4096);
        }
    }

    @Test
    void a_detached_vm_runs_on_and_is_found_again() {
        var vm = boot("");
        VmLab.awaitTick(vm, 2);
        var process = vm.process();
        vm.detach();

        var found = lab.hold(vmm.adopt(lab.spec, process, VmLab.soon()).orElseThrow());

        assertThat(found.process()).isEqualTo(process);
        VmLab.awaitTick(found, 5);
        found.freeze(VmLab.soon());
        found.saveState(folder.resolve("state"), VmLab.soon());
        assertThat(folder.resolve("state")).isNotEmptyFile();
    }

    @Test
    void a_vm_that_has_ended_is_not_found_again() {
        var vm = boot("");
        var process = vm.process();
        vm.detach();
        kill("-KILL", process.pid());
        Eventually.within(SOON, () -> !process.isAlive());

        assertThat(vmm.adopt(lab.spec, process, VmLab.soon())).isEmpty();
        assertThat(vmm.adopt(lab.spec, new ProcessIdentity(1, 1), VmLab.soon())).isEmpty();
    }

    @Test
    void a_guest_that_ended_while_nobody_looked_is_not_found_again() {
        var vm = boot("test.end=reboot");
        var process = vm.process();
        vm.detach();

        Eventually.within(
                Duration.ofSeconds(60),
                () -> {
                    var found = vmm.adopt(lab.spec, process, VmLab.soon());
                    found.ifPresent(Vm::detach);
                    return found.isEmpty();
                });

        assertThat(process.isAlive()).isFalse();
    }

    @Test
    void closing_ends_the_process_without_telling_listeners() {
        var vm = boot("");
        var ends = new ConcurrentLinkedQueue<VmEnd>();
        vm.onEnd(ends::add);

        vm.close();
        vm.close();

        assertThat(vm.process().isAlive()).isFalse();
        assertThat(Path.of("/proc/" + vm.process().pid())).doesNotExist();
        assertThat(ends).isEmpty();
    }

    @Test
    void the_vmm_keeps_no_right_that_a_guest_could_steal() throws IOException {
        var vm = boot("");
        VmLab.awaitTick(vm, 1);

        var process = Path.of("/proc/" + vm.process().pid());
        var status = Files.readString(process.resolve("status"));
        assertThat(status)
                .doesNotContainPattern("(?m)^[UG]id:.*\\b0\\b")
                .containsPattern("(?m)^CapEff:\\s+0+$")
                .containsPattern("(?m)^CapPrm:\\s+0+$")
                .containsPattern("(?m)^NoNewPrivs:\\s+1$")
                .containsPattern("(?m)^Seccomp:\\s+2$");
        assertRootHoldsNothing(process.resolve("root"));
    }

    @Test
    void a_vmm_has_a_user_of_its_own_and_where_the_machine_has_them_a_group_with_limits()
            throws IOException {
        var vm = boot("");
        var process = Path.of("/proc/" + vm.process().pid());
        var user = JailUser.of(lab.spec.runFolder()).number();

        assertThat(Files.readString(process.resolve("status")))
                .containsPattern(
                        "(?m)^Uid:\\s+%d\\s+%d\\s+%d\\s+%d$".formatted(user, user, user, user))
                .containsPattern(
                        "(?m)^Gid:\\s+%d\\s+%d\\s+%d\\s+%d$".formatted(user, user, user, user))
                .containsPattern("(?m)^Groups:\\s*(%d)?\\s*$".formatted(user));
        var group = ControlGroup.of(lab.spec);
        if (group.isPresent()) {
            var folder = group.get().folder();
            assertThat(Files.readString(process.resolve("cgroup"))).contains("0::/wrenn/");
            assertThat(Files.readAllLines(folder.resolve("cgroup.procs"))) // and KVM's own thread
                    .contains(Long.toString(vm.process().pid()));
            assertThat(Long.parseLong(Files.readString(folder.resolve("memory.max")).strip()))
                    .isBetween(VmLab.MEMORY.bytes(), 8 * VmLab.MEMORY.bytes());
            assertThat(Files.readString(folder.resolve("pids.max")).strip()).isEqualTo("40");
            assertThat(Files.readString(folder.resolve("cpu.max")).strip())
                    .isEqualTo("300000 100000");
        }
    }

    private Consumer<Vm> call(String name) {
        return switch (name) {
            case "resume" -> vm -> vm.resume(VmLab.soon());
            case "freeze" -> vm -> vm.freeze(VmLab.soon());
            default -> vm -> vm.saveState(folder.resolve("state"), VmLab.soon());
        };
    }
}
