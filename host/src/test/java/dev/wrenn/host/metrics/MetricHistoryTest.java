package dev.wrenn.host.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.wrenn.contract.host.MetricPoint;
import dev.wrenn.contract.host.MetricTier;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a history keeps, with a clock of its own. */
class MetricHistoryTest {
    private static final Instant START = Instant.parse("2026-03-01T12:00:00Z");
    private static final Duration STEP = MetricTier.SINGLE.step();

    @TempDir private Path folder;
    private Instant now = START;

    private Path file() {
        return folder.resolve("one.metrics");
    }

    private static MetricPoint point(Instant at, double cpu, long memory, long disk) {
        return new MetricPoint(at, cpu, memory, disk);
    }

    /** Adds a point every half second; what it says follows from its time. */
    private void run(MetricHistory history, Duration time) throws IOException {
        for (var end = now.plus(time); now.isBefore(end); now = now.plus(STEP)) {
            history.add(of(now));
        }
    }

    private static MetricPoint of(Instant at) {
        long second = at.getEpochSecond();
        return point(at, (double) (second % 100), second, 2 * second);
    }

    private List<MetricPoint> read(Duration window) {
        try {
            return MetricHistory.read(file(), window, now);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void single_points_are_kept_for_ten_minutes() throws IOException {
        var history = MetricHistory.open(file());
        run(history, Duration.ofMinutes(25));
        now = now.minus(STEP); // the time of the last one

        var points = read(Duration.ofMinutes(10));

        assertThat(points).hasSize(1_200);
        assertThat(points.getFirst()).isEqualTo(of(now.minus(Duration.ofMinutes(10)).plus(STEP)));
        assertThat(points.getLast()).isEqualTo(of(now));
        assertThat(read(Duration.ofMinutes(5))).isEqualTo(points.subList(600, 1_200));
    }

    @ParameterizedTest
    @EnumSource(names = {"HALF_MINUTES", "FIVE_MINUTES"})
    void averages_are_of_the_windows_of_the_clock_and_end_with_their_last_point(MetricTier tier)
            throws IOException {
        var history = MetricHistory.open(file());
        now = START.plusSeconds(7); // in the middle of a window
        run(history, Duration.ofMinutes(11));

        var points = read(tier.kept());

        long seconds = tier.step().toSeconds();
        assertThat(points).hasSize((int) Math.ceilDiv(7 + 660, seconds));
        var second = points.get(1); // the first is of a part of a window, the last is under way
        assertThat(second.at()).isEqualTo(START.plusSeconds(2 * seconds).minus(STEP));
        double middle = START.getEpochSecond() + seconds + (seconds - 1) / 2.0;
        assertThat((double) second.memoryBytes()).isCloseTo(middle, within(1.0));
        assertThat((double) second.diskBytes()).isCloseTo(2 * middle, within(2.0));
        assertThat(points.getLast().at()).isEqualTo(now.minus(STEP));
    }

    @Test
    void an_average_weighs_each_point_the_same() throws IOException {
        var history = MetricHistory.open(file());
        history.add(point(START, 0, 100, 10));
        history.add(point(START.plusMillis(500), 100, 300, 20));
        history.add(point(START.plusMillis(20_000), 50, 500, 30));
        history.add(point(START.plusMillis(30_000), 1, 1, 1));
        now = START.plusSeconds(31);

        assertThat(read(Duration.ofHours(1)))
                .containsExactly(
                        point(START.plusMillis(20_000), 50, 300, 20),
                        point(START.plusMillis(30_000), 1, 1, 1));
    }

    @Test
    void a_short_history_shows_in_every_tier() throws IOException {
        MetricHistory.open(file()).add(of(START));
        now = START.plusSeconds(1);

        for (var tier : MetricTier.values()) {
            assertThat(read(tier.kept())).containsExactly(of(START));
        }
    }

    @Test
    void each_tier_forgets_in_time_and_the_file_does_not_grow() throws IOException {
        var history = MetricHistory.open(file());
        long size = Files.size(file());
        for (var end = now.plus(Duration.ofHours(30)); now.isBefore(end); ) {
            history.add(of(now));
            now = now.plusSeconds(25);
        }

        assertThat(read(Duration.ofHours(2)).size()).isBetween(238, 241);
        assertThat(read(Duration.ofHours(24)).size()).isBetween(287, 289);
        assertThat(read(Duration.ofHours(6)).size()).isBetween(71, 73);
        assertThat(Files.size(file())).isEqualTo(size).isLessThan(64 << 10);
        assertThat(read(Duration.ofHours(24)))
                .isSortedAccordingTo(java.util.Comparator.comparing(MetricPoint::at));
    }

    @Test
    void time_without_points_is_a_gap_and_no_zeros() throws IOException {
        var history = MetricHistory.open(file());
        run(history, Duration.ofMinutes(2));
        now = now.plus(Duration.ofMinutes(3));
        run(history, Duration.ofMinutes(2));

        assertThat(read(Duration.ofMinutes(10))).hasSize(480);
        var between = new ArrayList<Duration>();
        var points = read(Duration.ofHours(1));
        for (int i = 1; i < points.size(); i++) {
            between.add(Duration.between(points.get(i - 1).at(), points.get(i).at()));
        }
        assertThat(points).hasSize(8);
        assertThat(between).filteredOn(d -> d.compareTo(Duration.ofMinutes(3)) > 0).hasSize(1);
    }

    /** Whatever the moment: a history that is opened again goes on as if nothing had been. */
    @ParameterizedTest
    @ValueSource(ints = {1, 59, 60, 61, 599, 601, 1_199, 1_200, 1_201, 2_400, 3_333})
    void one_that_is_opened_again_is_the_one_that_was_left(int pointsBefore) throws IOException {
        var whole = folder.resolve("whole.metrics");
        var uncut = MetricHistory.open(whole);
        var first = MetricHistory.open(file());
        for (int i = 0; i < pointsBefore; i++, now = now.plus(STEP)) {
            uncut.add(of(now));
            first.add(of(now));
        }
        var second = MetricHistory.open(file());
        for (int i = 0; i < 1_500; i++, now = now.plus(STEP)) {
            uncut.add(of(now));
            second.add(of(now));
        }

        for (var tier : MetricTier.values()) {
            assertThat(read(tier.kept()))
                    .as("%s", tier)
                    .isEqualTo(MetricHistory.read(whole, tier.kept(), now));
        }
    }

    @Test
    void a_clock_that_is_set_back_takes_with_it_what_was_measured_after_that_time()
            throws IOException {
        var history = MetricHistory.open(file());
        run(history, Duration.ofMinutes(20));
        var back = START.plus(Duration.ofMinutes(12)).plusMillis(250);
        now = back;
        run(history, Duration.ofMinutes(1));

        assertThat(read(Duration.ofMinutes(10)))
                .hasSize(2 * 60 + 2 * 120 + 1) // 2 min were kept of before, and the one at 12:12
                .isSortedAccordingTo(java.util.Comparator.comparing(MetricPoint::at))
                .allSatisfy(p -> assertThat(p.at()).isBefore(now));
        assertThat(read(Duration.ofHours(2)))
                .allSatisfy(p -> assertThat(p.at()).isBefore(now))
                .isSortedAccordingTo(java.util.Comparator.comparing(MetricPoint::at));
        assertThat(read(Duration.ofHours(24))).allSatisfy(p -> assertThat(p.at()).isBefore(now));
    }

    @Test
    void a_slot_that_was_half_written_is_no_point() throws IOException {
        var history = MetricHistory.open(file());
        history.add(of(START));
        history.add(of(START.plus(STEP)));
        try (var bytes = new RandomAccessFile(file().toFile(), "rw")) {
            bytes.seek(HistoryFile.offsetOf(MetricTier.SINGLE, 1) + 9);
            bytes.write(0x5a);
        }
        now = START.plusSeconds(2);

        assertThat(read(Duration.ofMinutes(5))).containsExactly(of(START));
        MetricHistory.open(file()).add(of(now));
        now = now.plusSeconds(1);
        assertThat(read(Duration.ofMinutes(5)))
                .containsExactly(of(START), of(START.plusSeconds(2)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "no history", "WRNMETR\u0002"})
    void a_file_that_is_none_is_replaced(String content) throws IOException {
        Files.writeString(file(), content);

        assertThat(read(Duration.ofMinutes(5))).isEmpty();
        MetricHistory.open(file()).add(of(START));
        now = START.plusSeconds(1);
        assertThat(read(Duration.ofMinutes(5))).containsExactly(of(START));
    }

    @Test
    void there_is_nothing_of_a_capsule_that_never_was_measured() {
        assertThat(read(Duration.ofMinutes(5))).isEmpty();
    }

    /** Layout version 1 as it was written first; readers accept it for ever. */
    @Test
    void the_layout_is_that_of_its_description() throws IOException {
        MetricHistory.open(file())
                .add(point(Instant.ofEpochMilli(0x0102030405060708L), 12.5, 3, 4));

        var bytes = Files.readAllBytes(file());

        assertThat(bytes).hasSize(64 + 32 * (1_200 + 240 + 288));
        assertThat(new String(bytes, 0, 7, java.nio.charset.StandardCharsets.US_ASCII))
                .isEqualTo("WRNMETR");
        assertThat(bytes[7]).isEqualTo((byte) 1);
        assertThat(java.util.HexFormat.of().formatHex(bytes, 64, 64 + 28))
                .isEqualTo(
                        "0807060504030201" + "0300000000000000" + "0400000000000000" + "00004841");
        var crc = new java.util.zip.CRC32C();
        crc.update(bytes, 64, 28);
        assertThat(
                        java.nio.ByteBuffer.wrap(bytes)
                                .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                                .getInt(64 + 28))
                .isEqualTo((int) crc.getValue());
    }
}
