package dev.wrenn.snapshot;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Progress;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a process that is killed anywhere has told to be saved is there, whole. */
final class KilledStoreTest {
    private static final int PAGE = PageSource.PAGE_BYTES;
    private static final int PAGES = 64;
    private static final int KILLS = 4;

    @TempDir private Path folder;

    @Test
    void a_process_killed_while_it_saves_merges_and_collects_leaves_all_it_promised()
            throws IOException, InterruptedException {
        var promised = new LinkedHashMap<SnapshotId, Long>();
        for (int kill = 0; kill < KILLS; kill++) {
            promised.putAll(runAndKill(kill, 15 + 7 * kill));
            var store = new SnapshotStore(folder);

            var before = store.list();
            store.maintain();
            store.collectGarbage(() -> before);

            assertThat(store.list()).containsAll(promised.keySet());
            assertThat(new StoreAudit(store).verify(store.list(), Progress.silent())).isEmpty();
            for (var one : promised.entrySet()) {
                try (var image = store.open(one.getKey()).image()) {
                    TestStore.assertReads(image, memoryOf(one.getValue()));
                }
            }
        }
    }

    /** Starts a process that saves without end, and kills it after so many promises. */
    private Map<SnapshotId, Long> runAndKill(int run, int promises)
            throws IOException, InterruptedException {
        var process =
                new ProcessBuilder(
                                List.of(
                                        Path.of(System.getProperty("java.home"), "bin", "java")
                                                .toString(),
                                        "--enable-native-access=ALL-UNNAMED",
                                        "-XX:TieredStopAtLevel=1",
                                        "-cp",
                                        System.getProperty("java.class.path"),
                                        KilledStoreTest.class.getName(),
                                        folder.toString(),
                                        Integer.toString(run)))
                        .redirectError(ProcessBuilder.Redirect.DISCARD)
                        .start();
        var promised = new LinkedHashMap<SnapshotId, Long>();
        try (var lines =
                new BufferedReader(
                        new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            while (promised.size() < promises) {
                var line = lines.readLine();
                assertThat(line).as("a promise of the process").isNotNull();
                var words = line.split(" ", -1);
                promised.put(new SnapshotId(words[0]), Long.valueOf(words[1]));
            }
        } finally {
            process.destroyForcibly();
            assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        }
        return promised;
    }

    /** The process: saves a chain, tells each snapshot once it is sealed, and merges in between. */
    public static void main(String[] arguments) {
        var store = new SnapshotStore(Path.of(arguments[0]));
        long seed = 1_000L * Integer.parseInt(arguments[1]);
        var all = new TreeSet<Integer>();
        for (int i = 0; i < PAGES; i++) {
            all.add(i);
        }
        Optional<Snapshot> last = Optional.empty();
        while (true) {
            var saved = TestStore.save(store, last, memoryOf(seed), all, new byte[] {1});
            System.out.println(saved.id() + " " + seed);
            last = Optional.of(saved);
            seed++;
            if (seed % 5 == 0) {
                store.maintain();
                var present = store.list();
                store.collectGarbage(() -> Set.copyOf(present));
            }
        }
    }

    /** Neighbouring seeds share most pages. */
    private static byte[] memoryOf(long seed) {
        var memory = new byte[PAGES * PAGE];
        new Random(seed / 1_000).nextBytes(memory);
        for (long s = seed - seed % 1_000; s <= seed; s++) {
            int page = (int) (s * 7 % PAGES);
            java.util.Arrays.fill(memory, page * PAGE, page * PAGE + 100, (byte) s);
        }
        return memory;
    }
}
