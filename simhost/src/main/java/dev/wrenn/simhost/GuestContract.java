package dev.wrenn.simhost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.guest.FileChange;
import dev.wrenn.contract.guest.FileEntry;
import dev.wrenn.contract.guest.FileWatch;
import dev.wrenn.contract.guest.GuestProcess;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.contract.guest.ProcessEvent;
import dev.wrenn.contract.guest.ProcessEvent.Channel;
import dev.wrenn.contract.guest.ProcessSelector;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.contract.guest.ProcessStream;
import dev.wrenn.contract.guest.PtySize;
import dev.wrenn.contract.guest.Signal;
import dev.wrenn.contract.host.CreateCapsule;
import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.testkit.Eventually;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What every host agent promises about the guest of a running capsule. */
public abstract class GuestContract {
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private CapsuleId capsule;
    private GuestSession guest;

    /** The host under test, the same one during a test. */
    protected abstract HostAgent host();

    @BeforeEach
    void open() {
        capsule = CapsuleId.random();
        host().create(
                        new CreateCapsule(
                                capsule,
                                TemplateId.MINIMAL,
                                1,
                                256,
                                Duration.ZERO,
                                Map.of("SPECIES", "wren")));
        guest = host().guest(capsule);
    }

    @AfterEach
    void give_back() {
        guest.close();
        host().destroy(capsule);
    }

    /** What a process did from its start to its end. */
    private record Outcome(String stdout, String stderr, ProcessEvent.Ended end) {}

    private static Outcome follow(ProcessStream stream) {
        var stdout = new ByteArrayOutputStream();
        var stderr = new ByteArrayOutputStream();
        try (stream) {
            assertThat(stream.next().orElseThrow()).isInstanceOf(ProcessEvent.Started.class);
            while (true) {
                switch (stream.next().orElseThrow()) {
                    case ProcessEvent.Started _ -> throw new AssertionError("started twice");
                    case ProcessEvent.Output(var channel, var bytes) ->
                            (channel == Channel.STDERR ? stderr : stdout).writeBytes(bytes);
                    case ProcessEvent.Ended end -> {
                        assertThat(stream.next()).isEmpty();
                        return new Outcome(
                                stdout.toString(StandardCharsets.UTF_8),
                                stderr.toString(StandardCharsets.UTF_8),
                                end);
                    }
                }
            }
        }
    }

    private Outcome shell(String line) {
        return follow(guest.start(ProcessStart.of("/bin/sh", List.of("-c", line))));
    }

    private static int pidOf(ProcessStream stream) {
        return ((ProcessEvent.Started) stream.next().orElseThrow()).pid();
    }

    private ProcessStart tagged(String tag, String line) {
        return order(Optional.of(tag), Optional.empty(), Optional.empty(), line);
    }

    private static ProcessStart order(
            Optional<String> tag, Optional<PtySize> pty, Optional<Duration> limit, String line) {
        return new ProcessStart(
                "/bin/sh",
                List.of("-c", line),
                Map.of(),
                Optional.empty(),
                Optional.empty(),
                tag,
                pty,
                limit,
                ProcessStart.DEFAULT_DRAIN_GRACE);
    }

    private static void assertRefused(Kind kind, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(kind));
    }

    @Test
    void both_outputs_and_the_exit_code_arrive() {
        var outcome = shell("echo out; echo bad >&2; exit 3");

        assertThat(outcome.stdout()).isEqualTo("out\n");
        assertThat(outcome.stderr()).isEqualTo("bad\n");
        assertThat(outcome.end().exitCode()).isEqualTo(3);
        assertThat(outcome.end().timedOut()).isFalse();
    }

    @Test
    void a_program_that_does_not_exist_ends_as_in_a_shell() {
        var outcome = follow(guest.start(ProcessStart.of("no-such-program", List.of())));

        assertThat(outcome.end().exitCode()).isEqualTo(127);
    }

    @Test
    void a_death_by_signal_is_minus_one() {
        assertThat(shell("kill -9 $$").end().exitCode()).isEqualTo(-1);
    }

    @Test
    void every_process_has_the_variables_of_its_capsule_and_of_its_order() {
        var order =
                new ProcessStart(
                        "/bin/sh",
                        List.of("-c", "echo $SPECIES $SONG; pwd"),
                        Map.of("SONG", "loud"),
                        Optional.of("/"),
                        Optional.empty(),
                        Optional.empty(),
                        Optional.empty(),
                        Optional.empty(),
                        ProcessStart.DEFAULT_DRAIN_GRACE);

        assertThat(follow(guest.start(order)).stdout()).startsWith("wren loud\n/");
    }

    @Test
    void a_working_directory_that_is_none_is_refused() {
        var order =
                new ProcessStart(
                        "/bin/true",
                        List.of(),
                        Map.of(),
                        Optional.of("/no/such/folder"),
                        Optional.empty(),
                        Optional.empty(),
                        Optional.empty(),
                        Optional.empty(),
                        ProcessStart.DEFAULT_DRAIN_GRACE);

        assertThatThrownBy(() -> follow(guest.start(order)))
                .isInstanceOfSatisfying(
                        WrennException.class,
                        e -> assertThat(e.kind()).isIn(Kind.INVALID, Kind.ABSENT));
    }

    @Test
    void a_limit_ends_the_whole_group() {
        var limit = Optional.of(Duration.ofMillis(300));

        var outcome =
                follow(
                        guest.start(
                                order(
                                        Optional.empty(),
                                        Optional.empty(),
                                        limit,
                                        "sleep 600 & wait")));

        assertThat(outcome.end().timedOut()).isTrue();
        assertThat(outcome.end().exitCode()).isEqualTo(-1);
        Eventually.within(LIMIT, () -> guest.processes().isEmpty());
    }

    @Test
    void a_reader_may_be_slow_and_loses_nothing() {
        try (var stream =
                guest.start(
                        ProcessStart.of("/bin/sh", List.of("-c", "head -c 20000000 /dev/zero")))) {
            long received = 0;
            for (var event = stream.next(); event.isPresent(); event = stream.next()) {
                if (event.get() instanceof ProcessEvent.Output(var _, var bytes)) {
                    received += bytes.length;
                }
            }
            assertThat(received).isEqualTo(20_000_000);
        }
    }

    @Test
    void a_live_process_is_listed_as_its_caller_named_it_until_it_ends() {
        try (var stream = guest.start(tagged("nap", "sleep 600"))) {
            int pid = pidOf(stream);

            assertThat(guest.processes())
                    .containsExactly(
                            new GuestProcess(
                                    pid,
                                    Optional.of("nap"),
                                    "/bin/sh",
                                    List.of("-c", "sleep 600")));

            guest.signal(new ProcessSelector.ByTag("nap"), Signal.TERM);
            assertThat(((ProcessEvent.Ended) stream.next().orElseThrow()).exitCode()).isEqualTo(-1);
            Eventually.within(LIMIT, () -> guest.processes().isEmpty());
            assertRefused(
                    Kind.ABSENT, () -> guest.signal(new ProcessSelector.ByPid(pid), Signal.KILL));
        }
    }

    @Test
    void a_tag_belongs_to_one_process_at_a_time() {
        try (var stream = guest.start(tagged("only", "sleep 600"))) {
            pidOf(stream);

            assertRefused(Kind.CONFLICT, () -> follow(guest.start(tagged("only", "sleep 600"))));
        }
    }

    @Test
    void a_process_outlives_its_reader_and_can_be_followed_again() {
        int pid;
        try (var stream = guest.start(tagged("counter", "while :; do echo x; sleep 0.05; done"))) {
            pid = pidOf(stream);
        }
        try (var stream = guest.connect(new ProcessSelector.ByTag("counter"), false)) {
            assertThat(pidOf(stream)).isEqualTo(pid);
            assertThat(stream.next().orElseThrow()).isInstanceOf(ProcessEvent.Output.class);
        }
        assertRefused(
                Kind.ABSENT, () -> pidOf(guest.connect(new ProcessSelector.ByTag("other"), true)));
    }

    @Test
    void closing_a_stream_from_elsewhere_ends_its_reader() {
        try (var forks = new dev.wrenn.base.Forks()) {
            var stream = guest.start(ProcessStart.of("sleep", List.of("600")));
            pidOf(stream);
            var waiting = forks.start("reader", stream::next);

            stream.close();

            assertThat(waiting.take(LIMIT)).isEmpty();
        }
    }

    @Test
    void a_terminal_has_a_size_takes_input_and_shows_again_what_it_showed() {
        var tag = Optional.of("term");
        var size = Optional.of(new PtySize(91, 17));
        try (var stream = guest.start(order(tag, size, Optional.empty(), "exec /bin/sh"))) {
            pidOf(stream);
            type("stty size\n");
            awaitShown(stream, "17 91");
            guest.resizePty(new ProcessSelector.ByTag("term"), new PtySize(120, 40));
            type("stty size\n");
            awaitShown(stream, "40 120");
        }
        try (var stream = guest.connect(new ProcessSelector.ByTag("term"), true)) {
            pidOf(stream);
            awaitShown(stream, "17 91");
            type("exit 5\n");
            for (var event = stream.next(); event.isPresent(); event = stream.next()) {
                if (event.get() instanceof ProcessEvent.Ended(int code, var _, boolean _)) {
                    assertThat(code).isEqualTo(5);
                }
            }
        }
    }

    private void type(String text) {
        guest.sendPty(new ProcessSelector.ByTag("term"), text.getBytes(StandardCharsets.UTF_8));
    }

    private static void awaitShown(ProcessStream stream, String text) {
        var shown = new StringBuilder();
        while (shown.indexOf(text) < 0) {
            if (stream.next().orElseThrow()
                    instanceof ProcessEvent.Output(var channel, var bytes)) {
                assertThat(channel).isEqualTo(Channel.PTY);
                shown.append(new String(bytes, StandardCharsets.UTF_8));
            } else {
                throw new AssertionError("ended before it showed " + text + ": " + shown);
            }
        }
    }

    @Test
    void only_a_terminal_can_be_typed_into() {
        try (var stream = guest.start(tagged("term", "sleep 600"))) {
            pidOf(stream);

            assertThatThrownBy(() -> type("x")).isInstanceOf(WrennException.class);
        }
    }

    private void write(String path, String text) {
        guest.write(path, 0, new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
    }

    @Test
    void an_upload_goes_on_where_another_one_broke_off() throws Exception {
        write("/tmp/big", "0123456789 and more");

        guest.write(
                "/tmp/big", 10, new ByteArrayInputStream("abc".getBytes(StandardCharsets.UTF_8)));

        assertThat(read("/tmp/big", 0)).isEqualTo("0123456789abc");
        assertThatThrownBy(
                        () -> guest.write("/tmp/big", 14, new ByteArrayInputStream(new byte[] {1})))
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.INVALID));
        assertThat(read("/tmp/big", 0)).isEqualTo("0123456789abc");
    }

    private String read(String path, long offset) throws Exception {
        try (var content = guest.read(path, offset)) {
            var bytes = content.bytes().readAllBytes();
            content.lengthBytes().ifPresent(n -> assertThat(n).isEqualTo(bytes.length));
            return new String(bytes, StandardCharsets.UTF_8);
        }
    }

    @Test
    void what_was_written_is_read_from_any_offset_and_seen_by_programs() throws Exception {
        write("deep/in/folders/note", "0123456789");
        write("deep/in/folders/note", "abcdef");

        assertThat(read("deep/in/folders/note", 0)).isEqualTo("abcdef");
        assertThat(read("~/deep/in/folders/note", 4)).isEqualTo("ef");
        assertThat(shell("cat deep/in/folders/note").stdout()).isEqualTo("abcdef");
    }

    @Test
    void what_cannot_be_read_fails_before_the_first_byte() {
        assertRefused(Kind.ABSENT, () -> guest.read("/tmp/missing", 0));
        assertRefused(Kind.INVALID, () -> guest.read("/tmp", 0));
        assertRefused(Kind.INVALID, () -> guest.read("/tmp/zero\0byte", 0));
    }

    @Test
    void a_folder_is_made_with_its_parents_and_only_once() {
        var entry = guest.makeDirectory("/tmp/made/deep");

        assertThat(entry.path()).isEqualTo("/tmp/made/deep");
        assertThat(entry.name()).isEqualTo("deep");
        assertThat(entry.type()).isEqualTo(FileEntry.Type.DIRECTORY);
        assertThat(entry.permissions()).startsWith("d");
        assertRefused(Kind.CONFLICT, () -> guest.makeDirectory("/tmp/made/deep"));
        write("/tmp/made/file", "");
        assertRefused(Kind.INVALID, () -> guest.makeDirectory("/tmp/made/file"));
    }

    @Test
    void a_listing_is_sorted_and_as_deep_as_asked() {
        guest.makeDirectory("/tmp/tree/b/c");
        write("/tmp/tree/a", "xyz");
        write("/tmp/tree/b/c/d", "");

        assertThat(guest.list("/tmp/tree", 1))
                .extracting(FileEntry::path)
                .containsExactly("/tmp/tree/a", "/tmp/tree/b");
        assertThat(guest.list("/tmp/tree", 2))
                .extracting(FileEntry::path)
                .containsExactly("/tmp/tree/a", "/tmp/tree/b", "/tmp/tree/b/c");
        assertThat(guest.list("/tmp/tree", 1).getFirst().sizeBytes()).isEqualTo(3);
        assertThat(guest.list("/tmp/tree/b/c", 1)).hasSize(1);
        assertRefused(Kind.ABSENT, () -> guest.list("/tmp/none", 1));
        assertRefused(Kind.INVALID, () -> guest.list("/tmp/tree/a", 1));
    }

    @Test
    void a_move_makes_the_parents_of_its_destination() throws Exception {
        write("/tmp/from", "moved");

        var entry = guest.move("/tmp/from", "/tmp/some/where/to");

        assertThat(entry.path()).isEqualTo("/tmp/some/where/to");
        assertThat(read("/tmp/some/where/to", 0)).isEqualTo("moved");
        assertRefused(Kind.ABSENT, () -> guest.stat("/tmp/from"));
        assertRefused(Kind.ABSENT, () -> guest.move("/tmp/from", "/tmp/again"));
    }

    @Test
    void a_mode_changes_with_all_its_bits_and_only_to_one_that_exists() {
        guest.write("/root/tool", 0, new ByteArrayInputStream(new byte[] {1}));

        assertThat(guest.changeMode("/root/tool", 04751).mode()).isEqualTo(04751);
        assertThat(guest.stat("/root/tool").permissions()).isEqualTo("-rwxr-x--x");
        assertRefused(Kind.INVALID, () -> guest.changeMode("/root/tool", 010000));
        assertRefused(Kind.ABSENT, () -> guest.changeMode("/root/none", 0644));
    }

    /** What is told up to that change; the same twice in a row counts once. */
    private static List<FileChange> toldUpTo(FileWatch watch, FileChange last) {
        var told = new ArrayList<FileChange>();
        while (told.isEmpty() || !told.getLast().equals(last)) {
            var next = watch.next().orElseThrow();
            // A real guest also tells that a new file was given to its owner.
            boolean isOwner = next.kind() == FileChange.Kind.CHMOD && !last.equals(next);
            if (!isOwner && (told.isEmpty() || !told.getLast().equals(next))) {
                told.add(next);
            }
        }
        return told;
    }

    @Test
    void a_watch_tells_each_change_in_order_and_how_deep_is_asked() {
        guest.makeDirectory("/root/seen/sub");
        try (var flat = guest.watch("/root/seen", false);
                var deep = guest.watch("/root/seen", true)) {
            guest.write("/root/seen/sub/a", 0, new ByteArrayInputStream(new byte[] {1}));
            guest.move("/root/seen/sub/a", "/root/seen/b");
            guest.changeMode("/root/seen/b", 0600);
            guest.remove("/root/seen/b");

            var removed = new FileChange(FileChange.Kind.REMOVE, "b");
            assertThat(toldUpTo(deep, removed))
                    .containsSequence(
                            new FileChange(FileChange.Kind.CREATE, "sub/a"),
                            new FileChange(FileChange.Kind.WRITE, "sub/a"),
                            new FileChange(FileChange.Kind.RENAME, "sub/a"),
                            new FileChange(FileChange.Kind.CREATE, "b"));
            assertThat(flat.next()).contains(new FileChange(FileChange.Kind.CREATE, "b"));
            assertThat(flat.next()).contains(new FileChange(FileChange.Kind.CHMOD, "b"));
        }
    }

    @Test
    void only_a_directory_can_be_watched() {
        guest.write("/root/plain", 0, new ByteArrayInputStream(new byte[0]));

        assertRefused(Kind.INVALID, () -> guest.watch("/root/plain", false));
        assertRefused(Kind.ABSENT, () -> guest.watch("/root/no-such", false));
    }

    @Test
    void a_watch_ends_with_its_reason_at_a_pause_and_quietly_when_it_is_closed() {
        var closed = guest.watch("/root", true);
        try (var forks = new Forks();
                var paused = guest.watch("/root", true)) {
            var waiting = forks.start("reader", closed::next);
            closed.close();
            assertThat(waiting.take(LIMIT)).isEmpty();

            guest.refuseIfEnded();

            host().pause(capsule);

            assertRefused(Kind.WRONG_STATE, paused::next);
            assertRefused(Kind.WRONG_STATE, guest::refuseIfEnded);
        }
    }

    @Test
    void what_is_removed_is_gone_with_all_below_and_a_second_time_absent() {
        write("/tmp/heap/of/things", "");

        guest.remove("/tmp/heap");

        assertRefused(Kind.ABSENT, () -> guest.stat("/tmp/heap"));
        assertRefused(Kind.ABSENT, () -> guest.remove("/tmp/heap"));
    }

    @Test
    void nobody_listens_on_an_unused_port() {
        assertRefused(Kind.UNAVAILABLE, () -> guest.connect(1).close());
    }
}
