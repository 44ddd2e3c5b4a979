package dev.wrenn.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.wrenn.base.Command;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.host.HostCapsule;
import dev.wrenn.contract.host.HostState;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files of a snapshot that are not what was sealed, and a disk that is full. */
@Tag("vm")
@ExtendWith(LabExtension.class)
class DamageVmTest {
    private static final String LAYER = "layer";
    private static final Duration HELD_UP = Duration.ofSeconds(3);

    private final HostLab lab;

    DamageVmTest(HostLab lab) {
        this.lab = lab;
    }

    @ParameterizedTest
    @ValueSource(strings = {"manifest.json", "vmstate", "memory.map", "disk.raw", LAYER})
    void a_snapshot_with_a_flipped_bit_is_refused_until_it_is_put_back(String name)
            throws IOException {
        assertRefused(
                name,
                file -> {
                    try (var bytes = new RandomAccessFile(file.toFile(), "rw")) {
                        long at = bytes.length() / 2;
                        bytes.seek(at);
                        int now = bytes.read();
                        bytes.seek(at);
                        bytes.write(now ^ 0x10);
                    }
                });
    }

    @ParameterizedTest
    @ValueSource(strings = {"manifest.json", "vmstate", "memory.map", "disk.raw", LAYER})
    void a_snapshot_with_a_file_cut_short_is_refused_until_it_is_put_back(String name)
            throws IOException {
        assertRefused(
                name,
                file -> {
                    try (var bytes = new RandomAccessFile(file.toFile(), "rw")) {
                        bytes.setLength(bytes.length() - 1);
                    }
                });
    }

    @ParameterizedTest
    @ValueSource(strings = {"vmstate", "memory.map", "disk.raw", LAYER})
    void a_snapshot_with_a_missing_file_is_refused_until_it_is_put_back(String name)
            throws IOException {
        assertRefused(name, Files::delete);
    }

    private interface Damage {
        void to(Path file) throws IOException;
    }

    private void assertRefused(String name, Damage damage) throws IOException {
        var other = lab.pausedCapsule();
        var capsule = lab.capsule();
        lab.shell(capsule, "head -c 1M /dev/urandom > /run/kept; cp /run/kept /root/kept");
        var saved = lab.save(capsule);
        var before = lab.restingInventory();
        var file = name.equals(LAYER) ? saved.layer() : saved.snapshot().resolve(name);
        var copy = lab.folder().resolve("copy");
        copy(file, copy);

        damage.to(file);

        var failure = catchThrowableOfType(WrennException.class, () -> lab.host().resume(capsule));
        assertThat(failure.kind()).isEqualTo(Kind.CORRUPT);
        assertThat(failure).hasMessageContaining("the snapshot is damaged");
        assertThat(lab.stateOf(capsule)).isEqualTo(HostState.PAUSED);
        lab.assertNothingLeftSince(before);
        assertThat(lab.host().resume(other).state()).isEqualTo(HostState.RUNNING);

        copy(copy, file);
        Files.delete(copy);
        lab.host().resume(capsule);
        assertThat(lab.shell(capsule, "cmp /run/kept /root/kept && echo same")).isEqualTo("same");
    }

    /** With its times, as a backup has them. */
    private static void copy(Path from, Path to) {
        Command.of("cp", "--sparse=always", "--preserve=timestamps", from.toString(), to.toString())
                .run();
    }

    @Test
    void a_pause_on_a_full_disk_fails_and_works_once_there_is_room() throws IOException {
        var capsule = lab.capsule();
        var memory = lab.memory(capsule, 24);
        memory.fill(0, 24);
        var expected = memory.checksum();
        var filler = fill();

        try {
            for (int i = 0; i < 2; i++) {
                var failure =
                        catchThrowableOfType(WrennException.class, () -> lab.host().pause(capsule));
                assertThat(failure.kind()).isEqualTo(Kind.EXHAUSTED);
                assertThat(lab.stateOf(capsule)).isEqualTo(HostState.RUNNING);
                assertThat(memory.checksum()).as("it runs on").isEqualTo(expected);
            }
        } finally {
            Files.delete(filler);
        }

        lab.host().pause(capsule);
        lab.host().resume(capsule);
        assertThat(memory.checksum()).isEqualTo(expected);
    }

    @Test
    void a_capsule_can_be_destroyed_on_a_full_disk() throws IOException {
        var running = lab.capsule();
        var paused = lab.pausedCapsule();
        var filler = fill();

        try {
            for (var capsule : new CapsuleId[] {running, paused}) {
                lab.host().destroy(capsule);
                assertThat(lab.host().inventory()).noneMatch(c -> c.capsule().equals(capsule));
            }
        } finally {
            Files.delete(filler);
        }
    }

    @Test
    void on_a_read_only_volume_what_runs_lives_on_and_all_works_again_afterwards() {
        var paused = lab.pausedCapsule();
        var capsule = lab.capsule();
        var memory = lab.memory(capsule, 8);
        var expected = memory.fill(0, 8);

        try (var _ = readOnlyVolume()) {
            assertUnwritable(() -> lab.host().pause(capsule));
            assertUnwritable(() -> lab.host().checkpoints().checkpoint(capsule, ""));
            assertUnwritable(() -> lab.host().resume(paused));
            assertUnwritable(lab::capsule);

            assertThat(lab.host().describe().warnings()).anyMatch(w -> w.contains("read-only"));
            assertThat(lab.stateOf(paused)).isEqualTo(HostState.PAUSED);
            assertThat(lab.stateOf(capsule)).isEqualTo(HostState.RUNNING);
            assertThat(memory.checksum()).as("it runs on").isEqualTo(expected);
        }

        assertThat(lab.host().describe().warnings()).noneMatch(w -> w.contains("read-only"));
        lab.host().pause(capsule);
        lab.host().resume(capsule);
        assertThat(memory.checksum()).isEqualTo(expected);
        assertThat(lab.host().resume(paused).state()).isEqualTo(HostState.RUNNING);
    }

    private static void assertUnwritable(ThrowingCallable call) {
        var failure = catchThrowableOfType(WrennException.class, call);
        assertThat(failure.kind()).isEqualTo(Kind.UNAVAILABLE);
        assertThat(failure).hasMessageContainingAll("read-only", "mount it read-write again");
    }

    /** As a kernel leaves a volume whose errors it met: what is open stays so, nothing else is. */
    private Resource readOnlyVolume() {
        var volume = lab.volume().toString();
        Command.of("mount", "--bind", volume, volume).run();
        Resource end = () -> Command.of("umount", volume).run();
        try {
            Command.of("mount", "-o", "remount,bind,ro", volume).run();
            return end;
        } catch (RuntimeException e) {
            end.close();
            throw e;
        }
    }

    /** The guest writes all the while, so the VMM hangs on the disk as well. */
    @Test
    void a_pause_that_the_disk_holds_up_waits_and_costs_nothing() {
        var other = lab.capsule();
        var capsule = lab.capsule();
        var memory = lab.memory(capsule, 8);
        var expected = memory.fill(0, 8);
        lab.shell(
                capsule,
                "(while echo more >> /root/log; do sync; done) </dev/null >/dev/null 2>&1 &");
        try (var forks = new Forks()) {
            Forks.Fork<HostCapsule> pausing;
            try (var _ = hangingVolume()) {
                pausing = forks.start("pause", () -> lab.host().pause(capsule));

                assertThat(pausing.await(HELD_UP)).isFalse();

                assertThat(lab.stateOf(capsule)).isIn(HostState.PAUSING, HostState.RUNNING);
                assertThat(lab.shell(other, "echo lives")).isEqualTo("lives");
            }
            assertThat(pausing.take(HostLab.SOON).state()).isEqualTo(HostState.PAUSED);
        }

        lab.host().resume(capsule);
        assertThat(memory.checksum()).isEqualTo(expected);
        assertThat(lab.shell(capsule, "sort -u /root/log")).isEqualTo("more");
    }

    /** Who writes to it waits, as on a device that does not answer (fsfreeze(8)). */
    private Resource hangingVolume() {
        var volume = lab.volume().toString();
        Command.of("mountpoint", "--quiet", volume).run(); // it must not be the machine's own
        Command.of("fsfreeze", "--freeze", volume).run();
        return () -> Command.of("fsfreeze", "--unfreeze", volume).run();
    }

    /** Takes all but a few MiB of the volume. */
    private Path fill() throws IOException {
        var filler = lab.volume().resolve("filler");
        long free = Files.getFileStore(lab.volume()).getUsableSpace();
        Command.of("fallocate", "-l", Long.toString(free - (6 << 20)), filler.toString()).run();
        return filler;
    }
}
