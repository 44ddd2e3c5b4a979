package dev.wrenn.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.CheckpointId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.host.ForkResult.Child;
import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.contract.host.HostCheckpoint;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.simhost.CheckpointContract;
import dev.wrenn.testkit.Eventually;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Checkpoints, rollback and forks of real VMs. */
@Tag("vm")
@ExtendWith(LabExtension.class)
class CheckpointVmTest {
    private static final Duration LIMIT = Duration.ofMinutes(2);
    private static final int FORKS = 10;

    /**
     * Writes the number of its round into every page of 24 MiB, again and again, and looks before
     * each write whether the page holds the round before: a state that is not of one instant has
     * pages of other rounds. Every fourth page becomes zero every other round.
     */
    private static final String WRITER =
            """
            import mmap, os, struct
            PAGES = 6144
            memory = mmap.mmap(-1, PAGES * 4096)
            def value(page, n):
                return 0 if page % 4 == 0 and n % 2 == 0 else n
            n = 0
            while True:
                n += 1
                for page in range(PAGES):
                    found = struct.unpack_from('<Q', memory, page * 4096)[0]
                    if found != value(page, n - 1):
                        open('/root/broken', 'w').write(f'page {page} round {n}: {found}')
                        os._exit(1)
                    struct.pack_into('<Q', memory, page * 4096, value(page, n))
                with open('/root/round.new', 'w') as f:
                    f.write(str(n))
                os.rename('/root/round.new', '/root/round')
            """;

    private final HostLab lab;

    CheckpointVmTest(HostLab lab) {
        this.lab = lab;
    }

    /** The same promises as those of every host agent. */
    @Nested
    @Tag("vm")
    class Promises extends CheckpointContract {
        @Override
        protected HostAgent host() {
            return lab.host();
        }
    }

    private CapsuleId writing() {
        var capsule = lab.create(TemplateId.MINIMAL);
        lab.run(
                capsule,
                "cat > /root/writer.py <<'END'\n"
                        + WRITER
                        + "END\nsetsid python3 /root/writer.py >/dev/null 2>&1 &");
        awaitRound(capsule, 2);
        return capsule;
    }

    private int round(CapsuleId capsule) {
        return Integer.parseInt(lab.run(capsule, "cat /root/round 2>/dev/null || echo 0").strip());
    }

    private void awaitRound(CapsuleId capsule, int round) {
        Eventually.within(
                LIMIT,
                () -> {
                    assertThat(lab.run(capsule, "cat /root/broken 2>/dev/null || true"))
                            .as("memory that is not of one instant")
                            .isEmpty();
                    return round(capsule) >= round;
                });
    }

    private HostCheckpoint newest(CapsuleId capsule) {
        return lab.host().checkpoints().history(capsule).checkpoints().getFirst();
    }

    @Test
    void a_capsule_saved_while_it_writes_comes_back_as_of_one_instant() {
        var capsule = writing();
        var ids = Stream.generate(() -> save(capsule)).limit(3).toList();
        int after = round(capsule);
        awaitRound(capsule, after + 2); // it goes on unharmed

        for (var id : ids) {
            lab.host().checkpoints().rollback(capsule, id);
            // Two rounds look at every page twice.
            awaitRound(capsule, round(capsule) + 2);
        }
    }

    private CheckpointId save(CapsuleId capsule) {
        int before = round(capsule);
        var id = lab.host().checkpoints().checkpoint(capsule, "").id();
        awaitRound(capsule, before + 1);
        return id;
    }

    @Test
    void going_back_brings_memory_processes_and_files_of_that_moment() {
        var capsule = lab.create(TemplateId.MINIMAL);
        lab.run(
                capsule,
                "mkdir -p /dev/shm; head -c 20000000 /dev/urandom > /dev/shm/memory;"
                        + "head -c 5000000 /dev/urandom > /root/file;"
                        + "sha256sum /dev/shm/memory /root/file > /root/sums;"
                        + "setsid sleep 9999 >/dev/null 2>&1 & echo $! > /root/pid");
        var saved = lab.host().checkpoints().checkpoint(capsule, "").id();
        lab.run(
                capsule,
                "kill $(cat /root/pid); rm /root/file; head -c 20000000 /dev/zero > /dev/shm/memory;"
                        + "echo later > /root/later");

        lab.host().checkpoints().rollback(capsule, saved);

        assertThat(lab.run(capsule, "sha256sum -c /root/sums"))
                .contains("/dev/shm/memory: OK", "/root/file: OK");
        lab.run(capsule, "kill -0 $(cat /root/pid) && test ! -e /root/later");
    }

    @Test
    void memory_given_back_after_a_checkpoint_is_zero_in_the_next_one() {
        var capsule = lab.create(TemplateId.MINIMAL);
        lab.run(capsule, "mkdir -p /dev/shm; head -c 30000000 /dev/urandom > /dev/shm/memory");
        lab.host().checkpoints().checkpoint(capsule, "");
        lab.run(
                capsule,
                "head -c 30000000 /dev/zero > /dev/shm/memory; sha256sum /dev/shm/memory >"
                        + " /root/sums");
        lab.host().pause(capsule);
        long written = newest(capsule).writtenBytes();
        lab.host().resume(capsule);

        assertThat(lab.run(capsule, "sha256sum -c /root/sums")).contains("OK");
        assertThat(written).as("zeroes are not stored").isLessThan(15_000_000);
    }

    @Test
    void a_second_checkpoint_stores_only_what_changed_since_the_first() {
        var capsule = lab.create(TemplateId.MINIMAL);
        lab.run(capsule, "mkdir -p /dev/shm; head -c 40000000 /dev/urandom > /dev/shm/memory");
        var first = lab.host().checkpoints().checkpoint(capsule, "");
        var second = lab.host().checkpoints().checkpoint(capsule, "");

        assertThat(first.writtenBytes()).isGreaterThan(40_000_000);
        assertThat(second.writtenBytes()).isLessThan(20_000_000);
        assertThat(lab.host().describe(capsule).versions())
                .as("what a checkpoint cost, and that the VM is still there")
                .containsKeys("frozen_ms", "vmm_pid")
                .containsEntry("layer_bytes", Long.toString(second.writtenBytes()));
    }

    @Test
    void forks_are_twins_that_part_and_share_no_secret() {
        var parent = lab.create(TemplateId.MINIMAL);
        lab.run(parent, "echo common > /root/common; setsid sleep 9999 >/dev/null 2>&1 &");
        var order = lab.forkOf(parent, Optional.empty(), FORKS);

        var result = lab.host().checkpoints().fork(order);

        assertThat(result.children()).hasSize(FORKS).allMatch(c -> c instanceof Child.Started);
        var random = new HashSet<String>();
        var addresses = new HashSet<String>();
        var look =
                "head -c 32 /dev/urandom | od -An -v -tx1 -w32; cat /root/common;"
                        + " pgrep -x sleep | wc -l; date +%s; touch /root/own";
        random.add(lab.run(parent, "head -c 32 /dev/urandom | od -An -v -tx1 -w32").strip());
        for (var child : order.children()) {
            var now = System.currentTimeMillis() / 1000;
            var seen = lab.run(child, look).lines().map(String::strip).toList();
            assertThat(random.add(seen.get(0))).as("randomness of its own").isTrue();
            assertThat(seen.get(1)).isEqualTo("common");
            assertThat(seen.get(2)).isEqualTo("1");
            assertThat(Long.parseLong(seen.get(3))).isBetween(now - 5, now + 120);
            assertThat(addresses.add(lab.host().describe(child).hostAddress())).isTrue();
        }
        lab.run(parent, "test ! -e /root/own");
    }

    @Test
    void a_save_that_cannot_be_written_down_changes_nothing() throws IOException {
        var capsule = lab.create(TemplateId.MINIMAL);
        lab.run(capsule, "echo one > /root/note");
        var first = lab.host().checkpoints().checkpoint(capsule, "").id();
        lab.run(capsule, "echo two > /root/note");
        var aside = lab.folder().resolve("journal/capsules/" + capsule + ".json.new");
        Files.createDirectory(aside); // the journal writes there first
        try {
            assertThatThrownBy(() -> lab.host().checkpoints().checkpoint(capsule, "x"))
                    .isInstanceOf(WrennException.class);
            assertThatThrownBy(() -> lab.host().pause(capsule)).isInstanceOf(WrennException.class);
            assertThatThrownBy(() -> lab.host().checkpoints().rollback(capsule, first))
                    .isInstanceOf(WrennException.class);
        } finally {
            Files.delete(aside);
        }

        assertThat(lab.host().describe(capsule).state()).isEqualTo(HostState.RUNNING);
        assertThat(lab.run(capsule, "cat /root/note")).isEqualTo("two\n");
        assertThat(lab.host().checkpoints().history(capsule).checkpoints())
                .extracting(HostCheckpoint::id)
                .containsExactly(first);
        lab.host().checkpoints().rollback(capsule, first);
        assertThat(lab.run(capsule, "cat /root/note")).isEqualTo("one\n");
    }

    @Test
    void a_damaged_checkpoint_is_refused_before_anything_is_given_up() throws IOException {
        var capsule = lab.create(TemplateId.MINIMAL);
        var first = lab.host().checkpoints().checkpoint(capsule, "").id();
        lab.host().checkpoints().checkpoint(capsule, "");
        lab.run(capsule, "echo now > /root/note");
        var manifest = manifestOf(capsule, first);
        var content = Files.readString(manifest);
        Files.writeString(manifest, content.replaceFirst("version", "versiom"));

        try {
            assertThatThrownBy(() -> lab.host().checkpoints().rollback(capsule, first))
                    .isInstanceOf(WrennException.class);

            assertThat(lab.run(capsule, "cat /root/note")).isEqualTo("now\n");
        } finally {
            Files.writeString(manifest, content);
        }
    }

    private Path manifestOf(CapsuleId capsule, CheckpointId checkpoint) throws IOException {
        var journal =
                Files.readString(lab.folder().resolve("journal/capsules/" + capsule + ".json"));
        var entry = journal.substring(journal.indexOf(checkpoint.text()));
        int start = entry.indexOf("snap-");
        return lab.store()
                .resolve("snapshots")
                .resolve(entry.substring(start, start + "snap-".length() + 32))
                .resolve("manifest.json");
    }

    @Test
    void a_host_agent_that_was_killed_finds_saved_and_running_states_again() {
        var capsule = writing();
        var saved = lab.host().checkpoints().checkpoint(capsule, "kept").id();
        var child = lab.forkOf(capsule, Optional.of(saved), 1);
        lab.host().checkpoints().fork(child);
        int before = round(capsule);

        lab.reopen();

        var twin = child.children().getFirst();
        assertThat(lab.host().describe(capsule).state()).isEqualTo(HostState.RUNNING);
        assertThat(lab.host().describe(twin).state()).isEqualTo(HostState.RUNNING);
        awaitRound(capsule, before + 2);
        lab.host().pause(capsule);
        lab.host().resume(capsule);
        awaitRound(capsule, before + 3);
        lab.host().checkpoints().rollback(capsule, saved);
        awaitRound(capsule, round(capsule) + 2);
        awaitRound(twin, round(twin) + 2);
        assertThat(lab.host().checkpoints().history(twin).checkpoints())
                .extracting(HostCheckpoint::id)
                .containsExactly(saved);
    }
}
