package dev.wrenn.pager;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.wrenn.base.Deadline;
import dev.wrenn.pager.StandInVmm.Mode;
import dev.wrenn.pager.StandInVmm.Piece;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.snapshot.WorkingSet;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Measures fault service times of our page server and of the same thing in C (src/test/c/handler.c)
 * in turns, on the same memory file and the same VMM. No part of the tests, because it measures:
 * {@code ./mvnw -pl pager -am test -Dtest=FaultYardstick -Dsurefire.failIfNoSpecifiedTests=false}.
 */
@Tag("root")
class FaultYardstick {
    private static final int PAGES = 128 << 8; // 128 MiB
    private static final int ROUNDS = 11;
    private static final Duration LIMIT = Duration.ofSeconds(20);

    @TempDir Path folder;

    private record Times(String handler, long faults, long p50, long p99, long max) {}

    @Test
    void measure() throws IOException {
        var file = folder.resolve("memory");
        var bytes = new byte[PAGES * PageSource.PAGE_BYTES];
        new Random(1).nextBytes(bytes);
        Files.write(file, bytes);
        var vmm = StandInVmm.compile("vmm", folder);
        var handler = StandInVmm.compile("handler", folder);
        var pager = new Pager(PagerConfig.DEFAULTS);
        var cold = java(pager, vmm, file);
        pager.warmUp();

        var java = new ArrayList<Times>();
        var c = new ArrayList<Times>();
        for (int round = 0; round < ROUNDS; round++) {
            java.add(java(pager, vmm, file));
            c.add(c(handler, vmm, file));
        }

        System.out.println("before warming up " + cold);
        for (int round = 0; round < ROUNDS; round++) {
            System.out.println(java.get(round));
            System.out.println(c.get(round));
        }
        System.out.printf(
                "median of %d rounds: java p50 %d p99 %d ns, c p50 %d p99 %d ns%n",
                ROUNDS, p50(java), p99(java), p50(c), p99(c));
        assertThat(java).allSatisfy(t -> assertThat(t.faults()).isEqualTo(PAGES / 16));
        assertThat(c).allSatisfy(t -> assertThat(t.faults()).isGreaterThanOrEqualTo(PAGES / 16));
    }

    private static long p50(List<Times> times) {
        return median(times.stream().mapToLong(Times::p50).toArray());
    }

    private static long p99(List<Times> times) {
        return median(times.stream().mapToLong(Times::p99).toArray());
    }

    private static long median(long[] values) {
        Arrays.sort(values);
        return values[values.length / 2];
    }

    private Times java(Pager pager, Path vmmProgram, Path file) throws IOException {
        var socket = folder.resolve("java.sock");
        try (var arena = Arena.ofShared();
                var source = FileSource.map(file, arena);
                var server = pager.serve("yardstick", socket, source, WorkingSet.EMPTY, _ -> {});
                var vmm =
                        StandInVmm.start(
                                vmmProgram, socket, Mode.LAZY, List.of(new Piece(PAGES, 0)))) {
            server.awaitConnected(Deadline.after(LIMIT));
            assertThat(vmm.ask("storm 1")).isEqualTo("0");
            var stats = server.stats();
            return new Times(
                    "java",
                    stats.faults(),
                    stats.serviceP50Nanos(),
                    stats.serviceP99Nanos(),
                    stats.serviceMaxNanos());
        }
    }

    private Times c(Path handler, Path vmmProgram, Path file) throws IOException {
        var socket = folder.resolve("c.sock");
        Files.deleteIfExists(socket);
        var process =
                new ProcessBuilder(handler.toString(), socket.toString(), file.toString())
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        try (var output =
                new BufferedReader(
                        new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            assertThat(output.readLine()).isEqualTo("listening");
            try (var vmm =
                    StandInVmm.start(vmmProgram, socket, Mode.LAZY, List.of(new Piece(PAGES, 0)))) {
                assertThat(vmm.ask("storm 1")).isEqualTo("0");
            }
            JsonNode times = new ObjectMapper().readTree(output.readLine());
            return new Times(
                    "c",
                    times.path("faults").asLong(),
                    times.path("p50_nanos").asLong(),
                    times.path("p99_nanos").asLong(),
                    times.path("max_nanos").asLong());
        } finally {
            process.destroyForcibly();
        }
    }

    /** A memory file as it is, checked by nobody, like that of the handler in C. */
    private record FileSource(MemorySegment bytes) implements PageSource, dev.wrenn.base.Resource {
        static FileSource map(Path file, Arena arena) throws IOException {
            try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
                return new FileSource(
                        channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena));
            }
        }

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

        @Override
        public void close() {
            // The arena is the caller's.
        }
    }
}
