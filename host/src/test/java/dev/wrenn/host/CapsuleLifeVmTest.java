package dev.wrenn.host;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.host.HostState;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What a capsule keeps from its creation on through pauses and resumes, with real VMs. */
@Tag("vm")
@ExtendWith(LabExtension.class)
class CapsuleLifeVmTest {
    private static final int CYCLES = Integer.getInteger("wrenn.cycles", 20);
    private static final List<Integer> CHANGED_MIB = List.of(1, 3, 50, 10, 1, 25);
    private static final int ZEROED_MIB = 4;
    private static final int MEMORY_MIB = 64;
    private static final int MAX_PILED_UP_MIB = 640;
    private static final long MIB = 1 << 20;

    /** Past the guest's page cache, which would hide the disk and be dirty memory itself. */
    private static final String CHECKSUM_OF_DISK =
            "dd if=/root/file bs=256K iflag=direct 2>/dev/null | cksum";

    private final HostLab lab;

    CapsuleLifeVmTest(HostLab lab) {
        this.lab = lab;
    }

    @Test
    void a_capsule_goes_on_exactly_where_it_was_paused() {
        var capsule = lab.capsule();
        var pid = lab.shell(capsule, "sleep 1000 </dev/null >/dev/null 2>&1 & echo $!");
        var boot = lab.shell(capsule, "cat /proc/sys/kernel/random/boot_id");
        lab.shell(capsule, "echo kept > /root/on-disk; echo kept > /run/in-memory");

        for (int i = 0; i < 2; i++) {
            assertThat(lab.host().pause(capsule).state()).isEqualTo(HostState.PAUSED);
            assertThat(lab.host().resume(capsule).state()).isEqualTo(HostState.RUNNING);
        }

        assertThat(
                        lab.shell(
                                capsule,
                                "cat /root/on-disk /run/in-memory /proc/%s/comm".formatted(pid)))
                .isEqualTo("kept\nkept\nsleep");
        assertThat(lab.shell(capsule, "cat /proc/sys/kernel/random/boot_id"))
                .as("the same kernel, not a boot")
                .isEqualTo(boot);
        assertThat(lab.shell(capsule, "echo $LAB")).isEqualTo("yes");
    }

    /**
     * {@code -Dwrenn.cycles=100} for more; a part of the memory is given back to zero each time.
     */
    @Test
    void memory_and_disk_are_equal_after_many_cycles_and_nothing_piles_up() {
        var capsule = lab.capsule();
        var memory = lab.memory(capsule, MEMORY_MIB);
        memory.fill(0, MEMORY_MIB);
        lab.shell(capsule, "head -c 2M /dev/urandom > /root/file");
        lab.host().pause(capsule);
        var before = lab.restingInventory();
        long bytes = HostLab.allocated(lab.store().resolve("layers"));

        lab.host().resume(capsule);
        for (int i = 0; i < CYCLES; i++) {
            int changed = CHANGED_MIB.get(i % CHANGED_MIB.size());
            memory.fill(i % (MEMORY_MIB - changed), changed);
            memory.zero((i * 7) % (MEMORY_MIB - ZEROED_MIB), ZEROED_MIB);
            lab.shell(capsule, "head -c 256K /dev/urandom >> /root/file");
            var expected = memory.checksum() + lab.shell(capsule, CHECKSUM_OF_DISK);
            lab.host().pause(capsule);
            lab.host().resume(capsule);
            assertThat(memory.checksum() + lab.shell(capsule, CHECKSUM_OF_DISK))
                    .as("cycle %d", i)
                    .isEqualTo(expected);
        }
        lab.host().pause(capsule);

        lab.assertNothingLeftSince(before);
        assertThat(HostLab.threadsFor(capsule)).isEmpty();
        assertThat(HostLab.allocated(lab.store().resolve("layers")) - bytes)
                .as("the checkpoints that are kept, dead pages among them included")
                .isLessThan(MAX_PILED_UP_MIB * MIB);
    }

    @Test
    void a_pause_writes_what_changed_and_no_more() {
        var capsule = lab.capsule();
        var memory = lab.memory(capsule, 32);
        memory.fill(0, 32);
        var first = lab.host().pause(capsule);

        lab.host().resume(capsule);
        var second = lab.host().pause(capsule);
        lab.host().resume(capsule);
        memory.fill(8, 8);
        var third = lab.host().pause(capsule);

        assertThat(lab.fact(first, "layer_bytes")).as("all that is new").isGreaterThan(32 * MIB);
        long idle = lab.fact(second, "layer_bytes");
        assertThat(idle).as("a resume and a pause with nothing between").isLessThan(4 * MIB);
        assertThat(lab.fact(third, "layer_bytes"))
                .as("8 MiB of the memory, and what the process writes besides")
                .isBetween(8 * MIB, 8 * MIB + idle + 4 * MIB);
    }

    /** Gap D1: a page that became zero is a change, not "as before". */
    @Test
    void a_page_zeroed_after_a_resume_is_zero_after_the_next_one() {
        var capsule = lab.capsule();
        var memory = lab.memory(capsule, 8);
        memory.fill(0, 8);
        lab.host().pause(capsule);
        lab.host().resume(capsule);
        assertThat(memory.startsWithZeroes()).isFalse();
        memory.zero(0, 4);
        var expected = memory.checksum();

        lab.host().pause(capsule);
        lab.host().resume(capsule);

        assertThat(memory.startsWithZeroes()).isTrue();
        assertThat(memory.checksum()).isEqualTo(expected);
    }

    @Test
    void a_resume_prefetches_what_the_one_before_touched() {
        var capsule = lab.pausedCapsule();
        lab.host().resume(capsule);
        lab.host().pause(capsule);

        var resumed = lab.host().resume(capsule);

        assertThat(lab.fact(resumed, "prefetched_pages")).isPositive();
        // A first resume without a working set meets some 280 faults until its agent answers.
        assertThat(lab.fact(resumed, "faults")).isLessThanOrEqualTo(8);
    }

    @Test
    void a_new_shape_is_booted_once_and_kept() {
        var first = lab.host().create(lab.order(CapsuleId.random(), 2, 224));
        var second = lab.host().create(lab.order(CapsuleId.random(), 2, 224));

        assertThat(first.vcpus()).isEqualTo(2);
        assertThat(second.memoryMb()).isEqualTo(224);
        assertThat(lab.shell(second.capsule(), "nproc")).isEqualTo("2");
        assertThat(second.versions().get("cold_boot_ms"))
                .as("both come from the same boot")
                .isEqualTo(first.versions().get("cold_boot_ms"));
    }

    @Test
    void shapes_that_are_booted_at_the_same_time_are_both_kept() {
        try (var forks = new Forks()) {
            var booting =
                    Stream.of(160, 176)
                            .map(mb ->
                                    forks.start(
                                            "boot " + mb,
                                            () -> {
                                                lab.host().warmUp(TemplateId.MINIMAL, 1, mb);
                                                return mb;
                                            }))
                            .toList();
            booting.forEach(b -> b.take(Duration.ofMinutes(3)));
        }

        assertThat(lab.host().isWarm(TemplateId.MINIMAL, 1, 160)).isTrue();
        assertThat(lab.host().isWarm(TemplateId.MINIMAL, 1, 176)).isTrue();
    }

    @Test
    void clones_of_one_snapshot_differ_in_what_must_differ() {
        var first = lab.capsule();
        var second = lab.capsule();

        var random = "head -c 32 /dev/urandom | sha256sum; cat /proc/sys/kernel/random/uuid";
        assertThat(lab.shell(first, random)).isNotEqualTo(lab.shell(second, random));
        for (var capsule : new CapsuleId[] {first, second}) {
            assertThat(lab.shell(capsule, "echo $WRENN_SANDBOX_ID")).isEqualTo(capsule.text());
        }
        for (var capsule : new CapsuleId[] {first, second}) {
            var seconds = Long.parseLong(lab.shell(capsule, "date +%s"));
            assertThat(Instant.ofEpochSecond(seconds))
                    .isCloseTo(Instant.now(), within(3, ChronoUnit.SECONDS));
        }
    }

    @Test
    void the_clock_is_right_after_a_resume_too() {
        var capsule = lab.pausedCapsule();

        lab.host().resume(capsule);

        var seconds = Long.parseLong(lab.shell(capsule, "date +%s"));
        assertThat(Instant.ofEpochSecond(seconds))
                .isCloseTo(Instant.now(), within(3, ChronoUnit.SECONDS));
    }

    @Test
    void a_capsule_saved_by_another_vmm_is_refused_with_both_names_before_anything_is_started()
            throws Exception {
        var capsule = lab.capsule();
        var manifest = lab.save(capsule).snapshot().resolve("manifest.json");
        var before = lab.restingInventory();
        var saved = Files.readString(manifest);
        var json =
                saved.substring(0, saved.indexOf('\n'))
                        .replaceFirst(
                                "(\"state_format\":\")[^\"]+", "$1Firecracker 0.1 on a PDP-8");
        var sha256 = MessageDigest.getInstance("SHA-256").digest(json.getBytes(UTF_8));
        Files.writeString(manifest, json + "\n" + HexFormat.of().formatHex(sha256) + "\n");

        assertThatThrownBy(() -> lab.host().resume(capsule))
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.WRONG_STATE))
                .hasMessageContaining("saved by Firecracker 0.1 on a PDP-8")
                .hasMessageContaining("it runs " + lab.host().describe().vmm().split(" ", 2)[0]);

        assertThat(lab.stateOf(capsule)).isEqualTo(HostState.PAUSED);
        lab.assertNothingLeftSince(before);
        Files.writeString(manifest, saved);
        assertThat(lab.host().resume(capsule).state()).isEqualTo(HostState.RUNNING);
    }

    @Test
    void a_destroyed_capsule_leaves_nothing_and_is_unknown() {
        var kept = lab.pausedCapsule();
        var before = lab.restingInventory();
        var capsule = lab.capsule();

        lab.host().destroy(capsule);
        lab.host().destroy(capsule);

        assertThatThrownBy(() -> lab.host().describe(capsule))
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.ABSENT));
        lab.assertNothingLeftSince(before);
        assertThat(lab.stateOf(kept)).isEqualTo(HostState.PAUSED);
    }
}
