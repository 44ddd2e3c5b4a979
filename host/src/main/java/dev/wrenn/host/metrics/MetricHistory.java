package dev.wrenn.host.metrics;

import dev.wrenn.contract.host.MetricPoint;
import dev.wrenn.contract.host.MetricTier;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * What one capsule used, in a file of fixed size.
 *
 * <p>The file is all there is: a point is in it, in its place, before {@link #add} returns, so
 * nothing but the measurements between is lost when this process is killed. Averages under way are
 * not stored; they follow from the single points, which are kept longer than any window lasts.
 * Adding is for one thread; reading needs no leave of anybody.
 */
final class MetricHistory {
    private final Path file;
    private final Map<MetricTier, Ring> rings = new EnumMap<>(MetricTier.class);
    private Instant newest = Instant.EPOCH;

    /** Where a tier stands. */
    private static final class Ring {
        private final Averages averages;
        private int next;

        private Ring(Averages averages, int next) {
            this.averages = averages;
            this.next = next;
        }
    }

    private MetricHistory(Path file) {
        this.file = file;
    }

    /** Goes on with what is in the file; makes it if it is missing or not readable. */
    static MetricHistory open(Path file) throws IOException {
        var bytes = bytesOf(file);
        if (bytes.isEmpty()) {
            Files.write(file, HistoryFile.empty());
        }
        var history = new MetricHistory(file);
        history.continueFrom(bytes.orElseGet(HistoryFile::empty));
        return history;
    }

    private static Optional<byte[]> bytesOf(Path file) throws IOException {
        try {
            return Optional.of(Files.readAllBytes(file)).filter(HistoryFile::isOne);
        } catch (NoSuchFileException _) {
            return Optional.empty();
        }
    }

    private void continueFrom(byte[] bytes) throws IOException {
        for (var tier : MetricTier.values()) {
            var points = pointsOf(bytes, tier);
            var last = points.isEmpty() ? Instant.EPOCH : points.getLast().at();
            rings.put(tier, new Ring(new Averages(tier, last), nextSlot(bytes, tier, last)));
        }
        var singles = pointsOf(bytes, MetricTier.SINGLE);
        newest = singles.isEmpty() ? Instant.EPOCH : singles.getLast().at();
        for (var single : singles) {
            average(single);
        }
    }

    private static int nextSlot(byte[] bytes, MetricTier tier, Instant newest) {
        for (int slot = 0; slot < tier.capacity(); slot++) {
            var point = HistoryFile.decode(bytes, HistoryFile.offsetOf(tier, slot));
            if (point.isPresent() && point.get().at().equals(newest)) {
                return (slot + 1) % tier.capacity();
            }
        }
        return 0;
    }

    /** The next point. If the clock was set back, what was measured after it is forgotten. */
    void add(MetricPoint point) throws IOException {
        if (!point.at().isAfter(newest)) {
            forgetFrom(point.at());
        }
        append(MetricTier.SINGLE, point);
        newest = point.at();
        average(point);
    }

    private void average(MetricPoint point) throws IOException {
        for (var tier : MetricTier.values()) {
            if (tier != MetricTier.SINGLE) {
                var ended = ring(tier).averages.add(point);
                if (ended.isPresent()) {
                    append(tier, ended.get());
                }
            }
        }
    }

    private void append(MetricTier tier, MetricPoint point) throws IOException {
        var ring = ring(tier);
        try (var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            write(channel, HistoryFile.encode(point), HistoryFile.offsetOf(tier, ring.next));
        }
        ring.next = (ring.next + 1) % tier.capacity();
    }

    private Ring ring(MetricTier tier) {
        return Objects.requireNonNull(rings.get(tier));
    }

    private static void write(FileChannel channel, byte[] bytes, long at) throws IOException {
        var left = ByteBuffer.wrap(bytes);
        while (left.hasRemaining()) {
            channel.write(left, at + left.position());
        }
    }

    private void forgetFrom(Instant time) throws IOException {
        var bytes = bytesOf(file).orElseGet(HistoryFile::empty);
        for (var tier : MetricTier.values()) {
            for (int slot = 0; slot < tier.capacity(); slot++) {
                int offset = HistoryFile.offsetOf(tier, slot);
                if (HistoryFile.decode(bytes, offset)
                        .filter(p -> !p.at().isBefore(time))
                        .isPresent()) {
                    Arrays.fill(bytes, offset, offset + HistoryFile.SLOT_BYTES, (byte) 0);
                }
            }
        }
        Files.write(file, bytes, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        continueFrom(bytes);
    }

    /** What is in the file of the time since then, in order and as finely as it reaches back. */
    static List<MetricPoint> read(Path file, Duration window, Instant now) throws IOException {
        var bytes = bytesOf(file);
        if (bytes.isEmpty()) {
            return List.of();
        }
        var tier = MetricTier.covering(window);
        var points = pointsOf(bytes.get(), tier);
        if (tier != MetricTier.SINGLE) {
            var averages =
                    new Averages(tier, points.isEmpty() ? Instant.EPOCH : points.getLast().at());
            for (var single : pointsOf(bytes.get(), MetricTier.SINGLE)) {
                averages.add(single).ifPresent(points::add);
            }
            averages.average().ifPresent(points::add);
        }
        var since = now.minus(window);
        return points.stream().filter(p -> p.at().isAfter(since)).toList();
    }

    private static List<MetricPoint> pointsOf(byte[] bytes, MetricTier tier) {
        var points = new ArrayList<MetricPoint>();
        for (int slot = 0; slot < tier.capacity(); slot++) {
            HistoryFile.decode(bytes, HistoryFile.offsetOf(tier, slot)).ifPresent(points::add);
        }
        points.sort(Comparator.comparing(MetricPoint::at));
        return points;
    }
}
