package dev.wrenn.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.wrenn.base.Command;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Forks;
import dev.wrenn.base.UndoStack;
import dev.wrenn.pager.Pager;
import dev.wrenn.pager.PagerConfig;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.snapshot.WorkingSet;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Fault service times of the pager and of the same thing in C, in turns, with the same memory file
 * and the same stand-in for a VMM (pager/src/test/c). Both copy the 64 KiB around each fault.
 */
final class FaultRace {
    private static final int PAGES = 128 << 8; // 128 MiB
    private static final int WRITTEN_AT_ONCE = 1 << 20;
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final String REGION = PAGES + ":0";

    private final Path vmm;
    private final Path handler;
    private final Path file;
    private final Path folder;
    private final Pager pager = new Pager(PagerConfig.DEFAULTS);

    private FaultRace(Path vmm, Path handler, Path file, Path folder) {
        this.vmm = vmm;
        this.handler = handler;
        this.file = file;
        this.folder = folder;
    }

    /** Service times in nanoseconds. */
    record Times(double p50, double p99) {}

    /** All rounds of both. */
    record Outcome(List<Times> java, List<Times> c) {
        static double medianP50(List<Times> times) {
            return Samples.of(times.stream().map(Times::p50).toList()).median();
        }

        static double medianP99(List<Times> times) {
            return Samples.of(times.stream().map(Times::p99).toList()).median();
        }
    }

    static Outcome run(Path checkout, Path folder, int rounds) {
        var sources = checkout.resolve("pager/src/test/c");
        try (var undo = new UndoStack()) {
            var file = folder.resolve("race-memory");
            undo.undo(() -> CPrograms.delete(file));
            fill(file);
            var race =
                    new FaultRace(
                            CPrograms.compile(sources.resolve("vmm.c"), folder),
                            CPrograms.compile(sources.resolve("handler.c"), folder),
                            file,
                            folder);
            race.pager.warmUp();
            var java = new ArrayList<Times>();
            var c = new ArrayList<Times>();
            for (int i = 0; i < rounds; i++) {
                java.add(race.java());
                c.add(race.c());
            }
            return new Outcome(java, c);
        } catch (IOException e) {
            throw BenchFailed.because("cannot write the memory of the fault race", e);
        }
    }

    private static void fill(Path file) throws IOException {
        var bytes = new byte[WRITTEN_AT_ONCE];
        var random = new SecureRandom();
        try (var out = Files.newOutputStream(file)) {
            for (long at = 0; at < (long) PAGES * PageSource.PAGE_BYTES; at += bytes.length) {
                random.nextBytes(bytes);
                out.write(bytes);
            }
        }
    }

    private Times java() throws IOException {
        var socket = folder.resolve("race.sock");
        try (var arena = Arena.ofShared();
                var channel = FileChannel.open(file, StandardOpenOption.READ)) {
            var memory =
                    new PlainMemory(
                            channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena));
            try (var server =
                    pager.serve("fault-race", socket, memory, WorkingSet.EMPTY, _ -> {})) {
                storm(socket);
                server.awaitConnected(Deadline.after(LIMIT));
                var stats = server.stats();
                return new Times(stats.serviceP50Nanos(), stats.serviceP99Nanos());
            }
        }
    }

    private Times c() throws IOException {
        var socket = folder.resolve("race-c.sock");
        Files.deleteIfExists(socket);
        var listening = new CountDownLatch(1);
        try (var forks = new Forks()) {
            var serving =
                    forks.start(
                            "handler in C",
                            () ->
                                    Command.of(
                                                    handler.toString(),
                                                    socket.toString(),
                                                    file.toString())
                                            .within(LIMIT)
                                            .eachLine(_ -> listening.countDown())
                                            .run()
                                            .stdout());
            awaitListening(listening);
            storm(socket);
            var lines = serving.take(LIMIT).strip().split("\n", -1);
            JsonNode times = new ObjectMapper().readTree(lines[lines.length - 1]);
            return new Times(
                    times.path("p50_nanos").asDouble(), times.path("p99_nanos").asDouble());
        }
    }

    private static void awaitListening(CountDownLatch listening) {
        try {
            if (!listening.await(LIMIT.toSeconds(), TimeUnit.SECONDS)) {
                throw new dev.wrenn.base.DeadlinePassed("starting the handler in C", LIMIT);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw BenchFailed.because("the fault race was interrupted", e);
        }
    }

    /** One thread that touches every page in an order of its own. */
    private void storm(Path socket) {
        Command.of(vmm.toString(), socket.toString(), "lazy", REGION)
                .input("storm 1\n")
                .within(LIMIT)
                .run();
    }

    /** A memory file as it is, checked by nobody, like that of the handler in C. */
    private record PlainMemory(MemorySegment bytes) implements PageSource {
        @Override
        public long pageCount() {
            return bytes.byteSize() / PAGE_BYTES;
        }

        @Override
        public Run run(long page, int maxPages) {
            int count = (int) Math.min(maxPages, pageCount() - page);
            return new Run.Stored(
                    count, bytes.asSlice(page * PAGE_BYTES, (long) count * PAGE_BYTES));
        }
    }
}
