package dev.wrenn.simhost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.CheckpointId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.host.CreateCapsule;
import dev.wrenn.contract.host.ForkCapsule;
import dev.wrenn.contract.host.ForkResult.Child;
import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.contract.host.HostCheckpoint;
import dev.wrenn.contract.host.HostCheckpoint.Cause;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.contract.host.Retention;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What every host agent promises about the saved states of its capsules. */
public abstract class CheckpointContract {
    /** The host under test, the same one during a test. */
    protected abstract HostAgent host();

    /** Whatever a test made is gone afterwards. */
    @AfterEach
    void give_back() {
        host().inventory().forEach(c -> host().destroy(c.capsule()));
        assertThat(host().inventory()).isEmpty();
    }

    private CapsuleId running() {
        var order =
                new CreateCapsule(
                        CapsuleId.random(),
                        TemplateId.MINIMAL,
                        1,
                        256,
                        Duration.ZERO,
                        Map.of("SPECIES", "wren"));
        return host().create(order).capsule();
    }

    private void write(CapsuleId capsule, String text) {
        try (var guest = host().guest(capsule)) {
            guest.write("note", 0, new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
        }
    }

    private String read(CapsuleId capsule) throws Exception {
        try (var guest = host().guest(capsule);
                var content = guest.read("note", 0)) {
            return new String(content.bytes().readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private List<HostCheckpoint> history(CapsuleId capsule) {
        return host().checkpoints().history(capsule).checkpoints();
    }

    private HostCheckpoint newest(CapsuleId capsule) {
        return history(capsule).getFirst();
    }

    private static void assertRefused(Kind kind, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(kind));
    }

    @Test
    void every_pause_is_a_checkpoint_and_the_newest_one_is_current() {
        var capsule = running();
        assertThat(history(capsule)).isEmpty();
        host().pause(capsule);
        host().resume(capsule);
        host().pause(capsule);

        var history = history(capsule);

        assertThat(history).hasSize(2).allMatch(c -> c.cause() == Cause.PAUSE);
        assertThat(history.getFirst().isCurrent()).isTrue();
        assertThat(history.getLast().isCurrent()).isFalse();
        assertThat(history.getFirst().parent()).contains(history.getLast().id());
        assertThat(history.getLast().parent()).isEmpty();
    }

    @Test
    void a_running_capsule_is_saved_and_goes_on() throws Exception {
        var capsule = running();
        write(capsule, "before");

        var made = host().checkpoints().checkpoint(capsule, "good");

        assertThat(made.name()).isEqualTo("good");
        assertThat(made.cause()).isEqualTo(Cause.ASKED);
        assertThat(made.isCurrent()).isTrue();
        assertThat(host().describe(capsule).state()).isEqualTo(HostState.RUNNING);
        assertThat(read(capsule)).isEqualTo("before");
        assertThat(history(capsule)).containsExactly(made);
    }

    @Test
    void the_state_of_a_paused_capsule_gets_a_name() {
        var capsule = running();
        host().pause(capsule);
        var saved = newest(capsule);

        assertThat(host().checkpoints().checkpoint(capsule, "")).isEqualTo(saved);
        var named = host().checkpoints().checkpoint(capsule, "kept");

        assertThat(named.id()).isEqualTo(saved.id());
        assertThat(named.name()).isEqualTo("kept");
        assertThat(history(capsule)).containsExactly(named);
        assertThat(host().describe(capsule).state()).isEqualTo(HostState.PAUSED);
    }

    @Test
    void a_paused_capsule_goes_back_and_stays_paused() throws Exception {
        var capsule = running();
        write(capsule, "one");
        host().pause(capsule);
        var first = newest(capsule).id();
        host().resume(capsule);
        write(capsule, "two");
        host().pause(capsule);
        var second = newest(capsule).id();

        var report = host().checkpoints().rollback(capsule, first);

        assertThat(report.state()).isEqualTo(HostState.PAUSED);
        assertThat(history(capsule)).filteredOn(HostCheckpoint::isCurrent).hasSize(1);
        host().resume(capsule);
        assertThat(read(capsule)).isEqualTo("one");

        host().checkpoints().rollback(capsule, second);
        assertThat(read(capsule)).isEqualTo("two");
    }

    @Test
    void a_running_capsule_goes_back_and_loses_nothing() throws Exception {
        var capsule = running();
        write(capsule, "one");
        var first = host().checkpoints().checkpoint(capsule, "").id();
        write(capsule, "two");

        var report = host().checkpoints().rollback(capsule, first);

        assertThat(report.state()).isEqualTo(HostState.RUNNING);
        assertThat(read(capsule)).isEqualTo("one");
        var left = history(capsule).stream().filter(c -> c.cause() == Cause.ROLLBACK).findFirst();
        assertThat(left).isPresent();
        host().checkpoints().rollback(capsule, left.get().id());
        assertThat(read(capsule)).isEqualTo("two");
    }

    @Test
    void what_is_kept_is_the_newest_the_named_and_the_current() throws Exception {
        var capsule = running();
        write(capsule, "named");
        host().checkpoints().checkpoint(capsule, "named");
        for (int i = 0; i < 4; i++) {
            write(capsule, "round " + i);
            host().checkpoints().checkpoint(capsule, "");
        }
        var oldest = history(capsule).get(3).id();
        host().pause(capsule);
        host().checkpoints().rollback(capsule, oldest);

        var history = host().checkpoints().retain(capsule, new Retention(2, Duration.ZERO));

        assertThat(history.retention().keepLast()).isEqualTo(2);
        assertThat(history.checkpoints()).hasSize(4);
        assertThat(history.checkpoints().get(2).id()).isEqualTo(oldest);
        assertThat(history.checkpoints().get(2).isCurrent()).isTrue();
        assertThat(history.checkpoints().getLast().name()).isEqualTo("named");
        host().resume(capsule);
        assertThat(read(capsule)).isEqualTo("round 0");
        host().checkpoints().rollback(capsule, history.checkpoints().getLast().id());
        assertThat(read(capsule)).isEqualTo("named");
    }

    @Test
    void a_rollback_keeps_its_target_though_the_save_before_pushes_it_out() throws Exception {
        var capsule = running();
        host().checkpoints().retain(capsule, new Retention(1, Duration.ZERO));
        write(capsule, "one");
        var first = host().checkpoints().checkpoint(capsule, "").id();
        write(capsule, "two");

        host().checkpoints().rollback(capsule, first);

        assertThat(read(capsule)).isEqualTo("one");
        assertThat(history(capsule)).extracting(HostCheckpoint::cause).contains(Cause.ROLLBACK);
    }

    @Test
    void a_checkpoint_is_deleted_unless_it_is_the_current_one() {
        var capsule = running();
        var first = host().checkpoints().checkpoint(capsule, "a").id();
        var second = host().checkpoints().checkpoint(capsule, "b").id();

        assertRefused(Kind.WRONG_STATE, () -> host().checkpoints().delete(capsule, second));
        host().checkpoints().delete(capsule, first);

        assertThat(history(capsule)).extracting(HostCheckpoint::id).containsExactly(second);
        assertRefused(Kind.ABSENT, () -> host().checkpoints().delete(capsule, first));
        assertRefused(Kind.ABSENT, () -> host().checkpoints().rollback(capsule, first));
    }

    @Test
    void forks_go_on_from_where_their_parent_was_and_part_from_there() throws Exception {
        var parent = running();
        write(parent, "common");
        var order = fork(parent, Optional.empty(), 3);

        var result = host().checkpoints().fork(order);

        assertThat(result.children())
                .extracting(Child::capsule)
                .containsExactlyElementsOf(order.children());
        assertThat(result.children()).allMatch(c -> c instanceof Child.Started);
        assertThat(newest(parent).id()).isEqualTo(result.checkpoint());
        assertThat(newest(parent).cause()).isEqualTo(Cause.FORK);
        write(parent, "parent");
        write(order.children().get(0), "first");
        assertThat(read(parent)).isEqualTo("parent");
        assertThat(read(order.children().get(0))).isEqualTo("first");
        assertThat(read(order.children().get(1))).isEqualTo("common");
        assertThat(host().describe(order.children().get(2)).memoryMb()).isEqualTo(256);
    }

    @Test
    void forks_of_a_paused_capsule_leave_it_paused_and_outlive_it() throws Exception {
        var parent = running();
        write(parent, "one");
        var first = host().checkpoints().checkpoint(parent, "").id();
        write(parent, "two");
        host().pause(parent);

        var ofNow = fork(parent, Optional.empty(), 1);
        var ofThen = fork(parent, Optional.of(first), 1);
        host().checkpoints().fork(ofNow);
        host().checkpoints().fork(ofThen);

        assertThat(host().describe(parent).state()).isEqualTo(HostState.PAUSED);
        host().destroy(parent);
        var child = ofThen.children().getFirst();
        host().pause(child);
        host().resume(child);
        assertThat(read(child)).isEqualTo("one");
        assertThat(read(ofNow.children().getFirst())).isEqualTo("two");
    }

    @Test
    void a_fork_of_what_is_not_there_starts_nothing() {
        var parent = running();

        assertRefused(
                Kind.ABSENT,
                () ->
                        host().checkpoints()
                                .fork(fork(parent, Optional.of(CheckpointId.random()), 2)));
        assertRefused(
                Kind.ABSENT,
                () -> host().checkpoints().fork(fork(CapsuleId.random(), Optional.empty(), 1)));
        assertThat(host().inventory()).hasSize(1);
    }

    private static ForkCapsule fork(
            CapsuleId parent, Optional<CheckpointId> checkpoint, int count) {
        return new ForkCapsule(
                parent,
                checkpoint,
                java.util.stream.Stream.generate(CapsuleId::random).limit(count).toList(),
                Optional.empty());
    }
}
