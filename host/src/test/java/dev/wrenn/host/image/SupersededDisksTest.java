package dev.wrenn.host.image;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.disk.Disks;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which stock disks go, and when. */
class SupersededDisksTest {
    private static final Instant NOW = Instant.parse("2026-05-01T12:00:00Z");
    private static final Duration LONG = Duration.ofDays(3);

    @TempDir Path folder;

    private StockDisks earlier;
    private StockDisks disks;

    @BeforeEach
    void open() {
        earlier = stock("minimal-1.ext4", NOW.minus(LONG));
        disks = stock("minimal-2.ext4", NOW);
    }

    /** The recipes name the disk that they start from, so another one makes others of them. */
    private StockDisks stock(String minimal, Instant now) {
        return new StockDisks(folder, Path.of(minimal), new Disks(), InstantSource.fixed(now));
    }

    private static List<String> namesOf(StockDisks disks) {
        return disks.all().stream().map(s -> s.name() + "-" + s.revision() + ".ext4").toList();
    }

    private void put(String name, Instant lastUsed) throws IOException {
        var file = Files.writeString(folder.resolve(name), "a disk");
        Files.setLastModifiedTime(file, FileTime.from(lastUsed));
    }

    private List<String> left() throws IOException {
        try (var files = Files.list(folder)) {
            return files.map(f -> f.getFileName().toString())
                    .filter(name -> !name.equals(".lock"))
                    .sorted()
                    .toList();
        }
    }

    @Test
    void disks_that_earlier_recipes_made_go_and_those_of_today_stay() throws IOException {
        for (var name : namesOf(earlier)) {
            put(name, NOW.minus(LONG));
        }
        for (var name : namesOf(disks)) {
            put(name, NOW.minus(LONG));
        }

        disks.removeSuperseded();

        assertThat(left()).containsExactlyInAnyOrderElementsOf(namesOf(disks));
    }

    @Test
    void a_disk_that_another_version_uses_stays_until_an_hour_after() throws IOException {
        var name = namesOf(earlier).getFirst();
        put(name, NOW.minus(LONG));
        var other = stock("minimal-1.ext4", NOW.minus(Duration.ofMinutes(59)));

        var used = other.disk(earlier.all().getFirst().name(), _ -> {});
        disks.removeSuperseded();

        assertThat(left()).containsExactly(used.file().getFileName().toString());
        stock("minimal-2.ext4", NOW.plus(Duration.ofMinutes(2))).removeSuperseded();
        assertThat(left()).isEmpty();
    }

    @Test
    void what_a_killed_making_left_goes_and_what_is_being_made_stays() throws IOException {
        put(".unfinished-" + namesOf(disks).getFirst(), NOW);
        Files.createDirectories(folder.resolve(".unfinished-base-python-1/work/lists"));
        var left = left();

        try (var _ = FolderTurn.take(folder)) {
            disks.removeSuperseded();
            assertThat(left()).isEqualTo(left);
        }

        disks.removeSuperseded();
        assertThat(left()).isEmpty();
    }

    @Test
    void files_of_others_stay() throws IOException {
        put("notes.txt", NOW.minus(LONG));

        disks.removeSuperseded();

        assertThat(left()).containsExactly("notes.txt");
    }
}
