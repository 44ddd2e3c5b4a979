package dev.wrenn.host.metrics;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.host.MetricPoint;
import dev.wrenn.contract.host.MetricTier;
import dev.wrenn.disk.Disks;
import dev.wrenn.linux.ProcessIdentity;
import dev.wrenn.linux.ProcessUsage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Measures twice a second what every running capsule uses, from outside: the guest is not woken.
 *
 * <p>One thread measures, writes the files and removes them; whoever reads needs the files only.
 */
public final class Meter implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(Meter.class);
    private static final String SUFFIX = ".metrics";

    private final Path folder;
    private final Disks disks;
    private final Supplier<List<MeasuredRun>> running;
    private final InstantSource clock;
    private final Stopwatch watch = Stopwatch.start();
    private final Map<CapsuleId, Gauge> gauges = new HashMap<>(); // measuring thread only
    private final Set<CapsuleId> notBegun = new HashSet<>(); // measuring thread only
    private final Queue<CapsuleId> ended = new ConcurrentLinkedQueue<>();
    private final Loop loop;
    private boolean isFirstRound = true; // measuring thread only
    private final LongAdder cpuNanos = new LongAdder();
    private volatile long memoryBytes; // written by the measuring thread

    /** What is remembered of a run between two measurements. */
    private static final class Gauge {
        private final ProcessIdentity process;
        private final CpuShare cpu;
        private final DiskUse disk;
        private MetricHistory history;
        private boolean isHistoryGone;
        private boolean isFailing;
        private long cpuNanos;
        private long memoryBytes;

        private Gauge(MeasuredRun run, Disks disks, MetricHistory history) {
            this.process = run.process();
            this.cpu = new CpuShare(run.vcpus());
            this.disk = new DiskUse(disks, run);
            this.history = history;
        }
    }

    private Meter(
            Path folder,
            Disks disks,
            Supplier<List<MeasuredRun>> running,
            InstantSource clock,
            Duration interval) {
        this.folder = folder;
        this.disks = disks;
        this.running = running;
        this.clock = clock;
        try {
            Files.createDirectories(folder);
            Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx------"));
        } catch (IOException e) {
            throw failed("prepare the folder of metrics", e);
        }
        this.loop = Loop.every("metrics", interval, this::measure);
    }

    /**
     * Begins to measure.
     *
     * @param folder one file per capsule
     * @param running told again at every measurement
     */
    public static Meter start(
            Path folder, Disks disks, Supplier<List<MeasuredRun>> running, InstantSource clock) {
        return start(folder, disks, running, clock, MetricTier.SINGLE.step());
    }

    static Meter start(
            Path folder,
            Disks disks,
            Supplier<List<MeasuredRun>> running,
            InstantSource clock,
            Duration interval) {
        return new Meter(folder, disks, running, clock, interval);
    }

    /** See {@code HostAgent.metrics}; of a capsule that is not known there is nothing. */
    public List<MetricPoint> read(CapsuleId capsule, Duration window) {
        try {
            return MetricHistory.read(fileOf(capsule), window, clock.instant());
        } catch (IOException e) {
            throw failed("read the metrics of capsule " + capsule, e);
        }
    }

    /**
     * Removes what is kept of a capsule that is gone: soon, after the measurement under way, which
     * may still be of it.
     */
    public void forget(CapsuleId capsule) {
        ended.add(capsule);
    }

    /** Removes what an earlier process kept of other capsules than these. */
    public void retainOnly(Set<CapsuleId> capsules) {
        var names = new HashSet<String>();
        capsules.forEach(c -> names.add(String.valueOf(fileOf(c).getFileName())));
        try (var files = Files.newDirectoryStream(folder)) {
            for (var file : files) {
                if (!names.contains(String.valueOf(file.getFileName()))) {
                    Files.delete(file);
                }
            }
        } catch (IOException e) {
            throw failed("remove the metrics of capsules that are gone", e);
        }
    }

    /** Processor time of all runs so far; what one uses in its last moments may be missing. */
    public Duration cpuTime() {
        return Duration.ofNanos(cpuNanos.sum());
    }

    /** What the VMMs held of the machine's memory when they were measured last. */
    public long memoryBytes() {
        return memoryBytes;
    }

    private void measure() {
        var runs = running.get();
        var present = new HashSet<CapsuleId>();
        for (var run : runs) {
            present.add(run.capsule());
            var gauge = gauges.get(run.capsule());
            if (gauge == null || !gauge.process.equals(run.process())) {
                begin(run);
            } else {
                measure(run, gauge);
            }
        }
        gauges.keySet().retainAll(present);
        notBegun.retainAll(present);
        memoryBytes = gauges.values().stream().mapToLong(g -> g.memoryBytes).sum();
        isFirstRound = false;
        removeEnded();
    }

    private void begin(MeasuredRun run) {
        try {
            var gauge = new Gauge(run, disks, MetricHistory.open(fileOf(run.capsule())));
            gauges.put(run.capsule(), gauge);
            notBegun.remove(run.capsule());
            measure(run, gauge);
        } catch (IOException e) {
            if (notBegun.add(run.capsule())) { // tried again each time, told once
                LOG.atWarn()
                        .setCause(e)
                        .addKeyValue("capsule", run.capsule())
                        .log("metrics of a capsule cannot be kept");
            }
        }
    }

    /** A capsule that cannot be measured is no reason not to measure the others. */
    private void measure(MeasuredRun run, Gauge gauge) {
        try {
            var usage = ProcessUsage.of(run.process());
            if (usage.isEmpty()) {
                return; // it has just ended
            }
            count(gauge, usage.get());
            if (gauge.isHistoryGone) {
                gauge.history = MetricHistory.open(fileOf(run.capsule()));
                gauge.isHistoryGone = false;
            }
            var share = gauge.cpu.next(watch.elapsedNanos(), usage.get().cpuNanos());
            if (share.isPresent()) {
                var now = clock.instant();
                gauge.history.add(
                        new MetricPoint(
                                now,
                                share.getAsDouble(),
                                usage.get().residentBytes(),
                                gauge.disk.bytes(now)));
            }
            gauge.isFailing = false;
        } catch (NoSuchFileException _) {
            gauge.isHistoryGone = true; // somebody removed it, or the run has just ended
        } catch (IOException | WrennException e) {
            if (!gauge.isFailing) {
                LOG.atWarn()
                        .setCause(e)
                        .addKeyValue("capsule", run.capsule())
                        .log("a capsule cannot be measured");
            }
            gauge.isFailing = true;
        }
    }

    /** A run that was taken over counts from then on, one that began since from its start. */
    private void count(Gauge gauge, ProcessUsage usage) {
        if (!isFirstRound) {
            cpuNanos.add(usage.cpuNanos() - gauge.cpuNanos);
        }
        gauge.cpuNanos = usage.cpuNanos();
        gauge.memoryBytes = usage.residentBytes();
    }

    private void removeEnded() {
        for (var capsule = ended.poll(); capsule != null; capsule = ended.poll()) {
            gauges.remove(capsule);
            try {
                Files.deleteIfExists(fileOf(capsule));
            } catch (IOException e) {
                LOG.atWarn()
                        .setCause(e)
                        .addKeyValue("capsule", capsule)
                        .log("metrics of a capsule that is gone cannot be removed");
            }
        }
    }

    private Path fileOf(CapsuleId capsule) {
        return folder.resolve(capsule.text() + SUFFIX);
    }

    private static WrennException failed(String attempt, IOException cause) {
        return new WrennException(Kind.UNAVAILABLE, "cannot " + attempt, cause);
    }

    /** Stops measuring; what is kept stays. */
    @Override
    public void close() {
        loop.close();
        removeEnded();
    }
}
