package dev.wrenn.simhost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.guest.ProcessEvent;
import dev.wrenn.contract.guest.ProcessSelector;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.contract.host.CreateCapsule;
import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.contract.host.HostCapsule;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.contract.host.MetricPoint;
import dev.wrenn.contract.host.MetricTier;
import dev.wrenn.testkit.Eventually;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What every host agent promises about capsules and templates. */
public abstract class HostContract {
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final int VCPUS = 1;
    private static final int MEMORY_MB = 256;

    /** The host under test, the same one during a test. */
    protected abstract HostAgent host();

    /** Whatever a test made is gone afterwards. */
    @AfterEach
    void give_back() {
        host().inventory().forEach(c -> host().destroy(c.capsule()));
        host().templates().stream()
                .filter(t -> !t.template().equals(TemplateId.MINIMAL))
                .forEach(t -> host().deleteTemplate(t.template()));
        assertThat(host().inventory()).isEmpty();
    }

    private static CreateCapsule order() {
        return order(TemplateId.MINIMAL, Duration.ZERO);
    }

    private static CreateCapsule order(TemplateId template, Duration expiry) {
        return new CreateCapsule(
                CapsuleId.random(), template, VCPUS, MEMORY_MB, expiry, Map.of("SPECIES", "wren"));
    }

    private CapsuleId running() {
        return host().create(order()).capsule();
    }

    private CapsuleId paused() {
        return host().pause(running()).capsule();
    }

    private void write(CapsuleId capsule, String path, String text) {
        try (var guest = host().guest(capsule)) {
            guest.write(path, 0, new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
        }
    }

    private String read(CapsuleId capsule, String path) throws Exception {
        try (var guest = host().guest(capsule);
                var content = guest.read(path, 0)) {
            return new String(content.bytes().readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private static void assertRefused(Kind kind, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(kind));
    }

    @Test
    void a_created_capsule_runs_in_the_ordered_shape() {
        var order = order();

        var created = host().create(order);

        assertThat(created.state()).isEqualTo(HostState.RUNNING);
        assertThat(created.capsule()).isEqualTo(order.capsule());
        assertThat(created.vcpus()).isEqualTo(VCPUS);
        assertThat(created.memoryMb()).isEqualTo(MEMORY_MB);
        assertThat(created.hostAddress()).isNotEmpty();
        assertThat(created.startedAt()).isAfter(java.time.Instant.EPOCH);
        assertThat(created.versions())
                .containsKeys(
                        "kernel_version", "vmm_version", "agent_version", "guest_agent_version");
        assertThat(host().describe(order.capsule()).state()).isEqualTo(HostState.RUNNING);
        assertThat(host().inventory())
                .extracting(HostCapsule::capsule)
                .containsExactly(order.capsule());
    }

    @Test
    void an_id_in_use_is_refused_and_its_capsule_unharmed() {
        var order = order();
        host().create(order);

        assertRefused(Kind.CONFLICT, () -> host().create(order));

        host().ping(order.capsule());
    }

    @Test
    void what_a_capsule_used_is_kept_over_pause_and_resume_and_goes_with_it() {
        var capsule = running();
        var window = Duration.ofMinutes(10);
        Eventually.within(
                LIMIT, "it is measured", () -> !host().metrics(capsule, window).isEmpty());
        host().pause(capsule);

        var before = host().metrics(capsule, window);
        assertThat(before).isNotEmpty().isEqualTo(host().metrics(capsule, window));
        assertThat(before)
                .allSatisfy(p -> {
                    assertThat(p.cpuPercent()).isBetween(0.0, 100.0);
                    assertThat(p.memoryBytes()).isPositive();
                    assertThat(p.diskBytes()).isNotNegative();
                })
                .isSortedAccordingTo(java.util.Comparator.comparing(MetricPoint::at));

        host().resume(capsule);
        Eventually.within(
                LIMIT,
                "it is measured on",
                () -> host().metrics(capsule, window).size() > before.size());
        assertThat(host().metrics(capsule, window)).containsAll(before);
        for (var tier : MetricTier.values()) {
            assertThat(host().metrics(capsule, tier.kept())).as("%s", tier).isNotEmpty();
        }

        host().destroy(capsule);
        assertRefused(Kind.ABSENT, () -> host().metrics(capsule, window));
    }

    @Test
    void a_capsule_that_the_host_does_not_hold_has_no_metrics() {
        assertRefused(
                Kind.ABSENT, () -> host().metrics(CapsuleId.random(), Duration.ofMinutes(10)));
    }

    @Test
    void a_template_that_the_host_does_not_hold_makes_no_capsule() {
        assertRefused(Kind.ABSENT, () -> host().create(order(TemplateId.random(), Duration.ZERO)));

        assertThat(host().inventory()).isEmpty();
    }

    @Test
    void an_unknown_capsule_is_absent_but_destroying_it_succeeds() {
        var nobody = CapsuleId.random();

        assertRefused(Kind.ABSENT, () -> host().pause(nobody));
        assertRefused(Kind.ABSENT, () -> host().resume(nobody));
        assertRefused(Kind.ABSENT, () -> host().ping(nobody));
        assertRefused(Kind.ABSENT, () -> host().guest(nobody).close());
        assertRefused(Kind.ABSENT, () -> host().describe(nobody));
        assertRefused(Kind.ABSENT, () -> host().createTemplate(nobody, TemplateId.random()));
        host().destroy(nobody);
    }

    @Test
    void a_paused_capsule_can_be_resumed_and_nothing_else() {
        var capsule = paused();

        assertThat(host().describe(capsule).state()).isEqualTo(HostState.PAUSED);
        assertRefused(Kind.WRONG_STATE, () -> host().pause(capsule));
        assertRefused(Kind.WRONG_STATE, () -> host().ping(capsule));
        assertRefused(Kind.WRONG_STATE, () -> host().guest(capsule).close());

        assertThat(host().resume(capsule).state()).isEqualTo(HostState.RUNNING);
        assertRefused(Kind.WRONG_STATE, () -> host().resume(capsule));
    }

    @Test
    void processes_and_files_come_back_from_a_pause_as_they_were() throws Exception {
        var capsule = running();
        write(capsule, "note", "remember");
        int pid;
        try (var guest = host().guest(capsule);
                var stream = guest.start(ProcessStart.of("sleep", List.of("600")))) {
            pid = ((ProcessEvent.Started) stream.next().orElseThrow()).pid();
        }

        host().pause(capsule);
        host().resume(capsule);

        assertThat(read(capsule, "note")).isEqualTo("remember");
        try (var guest = host().guest(capsule);
                var stream = guest.connect(new ProcessSelector.ByPid(pid), false)) {
            assertThat(stream.next()).contains(new ProcessEvent.Started(pid));
            guest.signal(new ProcessSelector.ByPid(pid), dev.wrenn.contract.guest.Signal.KILL);
            assertThat(stream.next().orElseThrow()).isInstanceOf(ProcessEvent.Ended.class);
        }
    }

    @Test
    void a_pause_tells_the_readers_of_its_streams_why_they_end() {
        var capsule = running();
        try (var guest = host().guest(capsule);
                var stream = guest.start(ProcessStart.of("sleep", List.of("600")))) {
            assertThat(stream.next()).isPresent();

            host().pause(capsule);

            assertRefused(Kind.WRONG_STATE, stream::next);
            assertRefused(Kind.WRONG_STATE, guest::processes);
        }
    }

    @Test
    void a_destroyed_capsule_is_reported_once_and_never_listed() {
        var reports = new LinkedBlockingQueue<HostCapsule>();
        var running = running();
        var paused = paused();
        var subscription = host().onChange(reports::add);
        try (subscription) {
            host().destroy(running);
            host().destroy(paused);
            host().destroy(running);
        } catch (Exception e) {
            throw new AssertionError("the subscription does not end", e);
        }

        assertThat(host().inventory()).isEmpty();
        assertRefused(Kind.ABSENT, () -> host().describe(running));
        assertThat(reports)
                .filteredOn(r -> r.state() == HostState.DESTROYED)
                .extracting(HostCapsule::capsule)
                .containsExactly(running, paused);
    }

    @Test
    void changes_are_reported_in_order_before_their_caller_is_answered() throws Exception {
        var reports = new LinkedBlockingQueue<HostCapsule>();
        try (var _ = host().onChange(reports::add)) {
            var capsule = running();
            host().pause(capsule);
            host().resume(capsule);
        }
        var settled = reports.stream().map(HostCapsule::state).filter(HostContract::isSettled);
        assertThat(settled).containsExactly(HostState.RUNNING, HostState.PAUSED, HostState.RUNNING);
        var generations =
                reports.stream()
                        .filter(r -> isSettled(r.state()))
                        .map(HostCapsule::generation)
                        .toList();
        assertThat(generations).doesNotHaveDuplicates().isSorted();
    }

    private static boolean isSettled(HostState state) {
        return state == HostState.RUNNING || state == HostState.PAUSED;
    }

    @Test
    void who_has_unsubscribed_hears_nothing_more() throws Exception {
        var reports = new LinkedBlockingQueue<HostCapsule>();
        var subscription = host().onChange(reports::add);
        subscription.close();

        running();

        assertThat(reports).isEmpty();
    }

    @Test
    void of_many_who_pause_at_once_one_does_and_the_others_learn_of_it() {
        var capsule = running();
        var gate = new CountDownLatch(1);
        var outcomes = new ArrayList<String>();
        try (var forks = new Forks()) {
            var pausing = new ArrayList<Forks.Fork<String>>();
            for (int i = 0; i < 4; i++) {
                pausing.add(
                        forks.start(
                                "pause",
                                () -> {
                                    gate.await();
                                    return outcome(() -> host().pause(capsule));
                                }));
            }
            gate.countDown();
            pausing.forEach(p -> outcomes.add(p.take(LIMIT)));
        }

        assertThat(outcomes)
                .containsExactlyInAnyOrder("done", "WRONG_STATE", "WRONG_STATE", "WRONG_STATE");
        assertThat(host().resume(capsule).state()).isEqualTo(HostState.RUNNING);
    }

    private static String outcome(Runnable operation) {
        try {
            operation.run();
            return "done";
        } catch (WrennException e) {
            return e.kind().name();
        }
    }

    @Test
    void a_caller_who_is_interrupted_stops_waiting_and_the_operation_ends_all_the_same() {
        var capsule = running();
        try (var forks = new Forks()) {
            var _ =
                    forks.start(
                            "pause",
                            () -> {
                                Thread.currentThread().interrupt();
                                return host().pause(capsule);
                            });
        }

        Eventually.within(LIMIT, () -> host().describe(capsule).state() == HostState.PAUSED);
    }

    @Test
    void an_idle_capsule_is_paused_and_a_busy_one_is_not() {
        var second = Duration.ofSeconds(1);
        var busy = host().create(order(TemplateId.MINIMAL, second)).capsule();
        try (var _ = host().guest(busy)) {
            var idle = host().create(order(TemplateId.MINIMAL, second)).capsule();

            Eventually.within(LIMIT, () -> host().describe(idle).state() == HostState.PAUSED);

            assertThat(host().describe(idle).reason()).contains("1 s");
            assertThat(host().describe(busy).state()).isEqualTo(HostState.RUNNING);
        }
        Eventually.within(LIMIT, () -> host().describe(busy).state() == HostState.PAUSED);
    }

    @Test
    void a_use_of_a_port_keeps_the_capsule_busy() {
        var used = host().create(order(TemplateId.MINIMAL, Duration.ofSeconds(1))).capsule();
        var idle = host().create(order(TemplateId.MINIMAL, Duration.ofSeconds(1))).capsule();

        var ports = host().ports(used);
        try (var _ = ports.use()) {
            Eventually.within(LIMIT, () -> host().describe(idle).state() == HostState.PAUSED);

            assertThat(host().describe(used).state()).isEqualTo(HostState.RUNNING);
        }
        Eventually.within(LIMIT, () -> host().describe(used).state() == HostState.PAUSED);
        assertThat(ports.isOpen()).isFalse();
    }

    @Test
    void ports_end_with_their_run_and_say_why() {
        var capsule = running();
        var first = host().ports(capsule);
        var reasons = new LinkedBlockingQueue<String>();
        first.onEnd(reasons::add);

        host().pause(capsule);

        assertThat(reasons).singleElement().asString().contains("was paused");
        assertThat(first.isOpen()).isFalse();
        assertRefused(Kind.WRONG_STATE, first::use);
        assertRefused(Kind.WRONG_STATE, () -> first.connect(8080));
        assertRefused(Kind.WRONG_STATE, () -> host().ports(capsule));

        host().resume(capsule);
        var second = host().ports(capsule);

        assertThat(second.isOpen()).isTrue();
        assertThat(first.isOpen()).isFalse();
        second.onEnd(reasons::add);
        host().destroy(capsule);
        assertThat(reasons).element(1).asString().contains("was destroyed");
    }

    @Test
    void the_agents_port_and_closed_ports_are_not_reached() {
        var ports = host().ports(running());

        assertRefused(Kind.INVALID, () -> ports.connect(49_983));
        assertRefused(Kind.INVALID, () -> ports.connect(0));
        assertRefused(Kind.INVALID, () -> ports.connect(65_536));
        assertRefused(Kind.UNAVAILABLE, () -> ports.connect(1));
    }

    @Test
    void a_template_of_a_capsule_starts_others_with_its_files_and_shape() throws Exception {
        var capsule = running();
        write(capsule, "note", "of the first");
        var template = TemplateId.random();

        var made = host().createTemplate(capsule, template);

        assertThat(made.isSnapshot()).isTrue();
        assertThat(made.memoryMb()).isEqualTo(MEMORY_MB);
        assertThat(host().describe(capsule).state()).isEqualTo(HostState.PAUSED);
        assertThat(host().templates()).contains(made);
        var other =
                host().create(
                                new CreateCapsule(
                                        CapsuleId.random(),
                                        template,
                                        1,
                                        512,
                                        Duration.ZERO,
                                        Map.of()));
        assertThat(other.memoryMb()).isEqualTo(MEMORY_MB);
        assertThat(read(other.capsule(), "note")).isEqualTo("of the first");

        write(other.capsule(), "note", "of the second");
        host().resume(capsule);
        assertThat(read(capsule, "note")).isEqualTo("of the first");
    }

    @Test
    void a_disk_template_takes_the_capsule_and_starts_others_in_any_shape() throws Exception {
        var capsule = running();
        write(capsule, "note", "of the first");
        var template = TemplateId.random();

        var made = host().createDiskTemplate(capsule, template);

        assertThat(made.isSnapshot()).isFalse();
        assertThat(made.sizeBytes()).isPositive();
        assertRefused(Kind.ABSENT, () -> host().describe(capsule));
        assertThat(host().templates()).contains(made);
        var other = host().create(order(template, Duration.ZERO));
        assertThat(other.memoryMb()).isEqualTo(MEMORY_MB);
        assertThat(read(other.capsule(), "note")).isEqualTo("of the first");
    }

    @Test
    void a_paused_capsule_gives_no_disk_template() {
        var capsule = paused();

        assertRefused(
                Kind.WRONG_STATE, () -> host().createDiskTemplate(capsule, TemplateId.random()));

        assertThat(host().describe(capsule).state()).isEqualTo(HostState.PAUSED);
    }

    @Test
    void capsules_outlive_their_template() throws Exception {
        var origin = running();
        write(origin, "note", "kept");
        var template = TemplateId.random();
        host().createTemplate(origin, template);
        var capsule = host().create(order(template, Duration.ZERO)).capsule();

        host().deleteTemplate(template);
        host().deleteTemplate(template);

        assertThat(host().templates()).noneMatch(t -> t.template().equals(template));
        assertRefused(Kind.ABSENT, () -> host().create(order(template, Duration.ZERO)));
        host().pause(capsule);
        host().resume(capsule);
        assertThat(read(capsule, "note")).isEqualTo("kept");
    }

    @Test
    void the_built_in_template_is_there_and_stays() {
        assertRefused(Kind.INVALID, () -> host().deleteTemplate(TemplateId.MINIMAL));

        assertThat(host().templates()).anyMatch(t -> t.template().equals(TemplateId.MINIMAL));
    }

    @Test
    void a_host_describes_itself() {
        var description = host().describe();

        assertThat(description.vmm()).isNotBlank();
        assertThat(description.cpus()).isPositive();
        assertThat(description.memoryMb()).isPositive();
    }
}
