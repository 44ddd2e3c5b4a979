package dev.wrenn.host.capsule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

class RoomTest {
    private static final ByteSize GUEST = ByteSize.mib(256);
    private final AtomicLong available = new AtomicLong(ByteSize.gib(8).bytes());
    private final AtomicLong free = new AtomicLong(ByteSize.gib(8).bytes());

    private MemoryRoom memory(double overcommit) {
        return new MemoryRoom(
                ByteSize.mib(1024 + 640).bytes(),
                ByteSize.gib(1),
                overcommit,
                available::get,
                ByteSize.mib(64));
    }

    private static void assertFull(ThrowingCallable call, String... texts) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.EXHAUSTED))
                .hasMessageContainingAll(texts);
    }

    @Test
    void memory_is_promised_until_it_is_used_up_and_again_when_given_back() {
        var room = memory(1); // 640 MiB, of which each takes 256 and 64 for its VMM
        var first = room.admit(GUEST);
        var _ = room.admit(GUEST);

        assertFull(() -> room.admit(GUEST), "640 of 640 MiB", "needs 320");

        first.close();
        first.close();
        var _ = room.admit(GUEST);
        assertFull(() -> room.admit(GUEST), "promised");
    }

    @Test
    void more_may_be_promised_than_is_there() {
        var room = memory(2);
        for (int i = 0; i < 4; i++) {
            var _ = room.admit(GUEST);
        }

        assertFull(() -> room.admit(GUEST), "1280 of 1280 MiB");
    }

    @Test
    void nothing_starts_when_memory_runs_out_whatever_was_promised() {
        var room = memory(100);
        available.set(ByteSize.mib(1024 + 127).bytes());

        assertFull(() -> room.admit(GUEST), "1151 MiB", "1024 are reserved");
        assertThat(room.warning()).isPresent();

        available.set(ByteSize.mib(1024 + 128).bytes());
        room.admit(GUEST).close();
        available.set(ByteSize.gib(2).bytes());
        assertThat(room.warning()).isEmpty();
    }

    @Test
    void what_runs_already_counts_though_it_does_not_fit() {
        var room = memory(1);
        for (int i = 0; i < 3; i++) {
            var _ = room.admitRunning(GUEST);
        }

        assertFull(() -> room.admit(GUEST), "960 of 640 MiB");
    }

    @Test
    void copies_of_pages_share_a_bounded_memory() {
        var room = memory(1);
        try (var first = room.lend(ByteSize.mib(48).bytes());
                var second = room.lend(ByteSize.mib(48).bytes());
                var third = room.lend(1)) {
            assertThat(first.bytes()).isEqualTo(ByteSize.mib(48).bytes());
            assertThat(second.bytes()).isEqualTo(ByteSize.mib(16).bytes());
            assertThat(third.bytes()).isZero();
        }
        try (var again = room.lend(ByteSize.mib(64).bytes())) {
            assertThat(again.bytes()).isEqualTo(ByteSize.mib(64).bytes());
        }
    }

    /** A volume whose numbers the test sets. */
    private final class Volume implements DiskRoom.Source {
        private long unsaved;
        private long mostUnsaved;
        private boolean readOnly;

        @Override
        public long totalBytes() {
            return ByteSize.gib(100).bytes();
        }

        @Override
        public long freeBytes() {
            return free.get();
        }

        @Override
        public boolean isReadOnly() {
            return readOnly;
        }

        @Override
        public long unsavedBytes() {
            return unsaved;
        }

        @Override
        public long mostUnsavedBytes() {
            return mostUnsaved;
        }
    }

    @Test
    void capsules_are_started_only_above_the_disk_reserve_and_saved_below_it() {
        var room = new DiskRoom(ByteSize.gib(1), new Volume());
        room.requireForStart();
        assertThat(room.warning()).isEmpty();

        free.set(ByteSize.mib(1500).bytes());
        room.requireForStart();
        assertThat(room.warning().orElseThrow()).contains("fills up", "1500 MiB", "below 1024");

        free.set(ByteSize.mib(1000).bytes());
        assertFull(room::requireForStart, "1000 MiB are left");
        assertThat(room.warning().orElseThrow())
                .contains("nearly full", "1000 MiB", "no capsule is started below 1024");
        room.reserve(ByteSize.mib(500).bytes()).close();
    }

    @Test
    void room_to_save_all_that_runs_is_kept_before_another_one_is_started() {
        var volume = new Volume();
        var room = new DiskRoom(ByteSize.gib(1), volume);
        volume.mostUnsaved = ByteSize.gib(3).bytes();
        volume.unsaved = ByteSize.gib(2).bytes();

        free.set(ByteSize.mib(3072).bytes());
        room.requireForStart();
        assertThat(room.warning().orElseThrow()).contains("fills up", "below 3072");

        free.set(ByteSize.mib(3071).bytes());
        assertFull(room::requireForStart, "3071 MiB are left", "2048 are kept for saving", "1024");
        room.reserve(ByteSize.gib(2).bytes()).close();

        free.set(ByteSize.mib(4096).bytes());
        assertThat(room.warning()).isEmpty();
        assertThat(room.read().unsavedBytes()).isEqualTo(ByteSize.gib(2).bytes());
    }

    @Test
    void a_volume_that_became_read_only_is_named_before_anything_is_tried() {
        var volume = new Volume();
        var room = new DiskRoom(ByteSize.gib(1), volume);
        volume.readOnly = true;

        for (ThrowingCallable call :
                List.<ThrowingCallable>of(room::requireForStart, () -> room.reserve(1))) {
            assertThatThrownBy(call)
                    .isInstanceOfSatisfying(
                            WrennException.class,
                            e -> assertThat(e.kind()).isEqualTo(Kind.UNAVAILABLE))
                    .hasMessageContaining("read-only");
        }
        assertThat(room.warning().orElseThrow()).contains("read-only");

        volume.readOnly = false;
        room.requireForStart();
        room.reserve(1).close();
        assertThat(room.warning()).isEmpty();
    }

    @Test
    void two_saves_do_not_count_on_the_same_room() {
        var room = new DiskRoom(ByteSize.gib(1), new Volume());
        free.set(ByteSize.mib(100).bytes());
        var first = room.reserve(ByteSize.mib(60).bytes());

        assertFull(() -> room.reserve(ByteSize.mib(60).bytes()), "about 77 MiB", "24 are left");

        first.close();
        room.reserve(ByteSize.mib(60).bytes()).close();
    }
}
