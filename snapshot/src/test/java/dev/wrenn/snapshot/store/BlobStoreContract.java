package dev.wrenn.snapshot.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What every blob store promises. */
abstract class BlobStoreContract {
    private static final BlobName NAME = new BlobName("packs/team/0a1b");

    @TempDir Path folder;
    private BlobStore blobs;

    /** A store that is empty. */
    abstract BlobStore open() throws Exception;

    @BeforeEach
    void openStore() throws Exception {
        blobs = open();
    }

    @AfterEach
    void closeStore() {
        blobs.close();
    }

    @Test
    void what_was_stored_is_read_whole_and_in_parts() {
        var content = bytes(100_000);

        blobs.put(NAME, content);

        assertThat(blobs.get(NAME)).hasValue(content);
        assertThat(blobs.size(NAME)).hasValue(100_000L);
        assertThat(read(70_001, 29_999)).isEqualTo(Arrays.copyOfRange(content, 70_001, 100_000));
        assertThat(read(0, 1)).isEqualTo(Arrays.copyOf(content, 1));
        assertThat(read(5, 0)).isEmpty();
    }

    @Test
    void a_large_file_arrives_whole() throws IOException {
        var content = bytes(21 << 20); // more than two parts of a multipart upload
        var file = Files.write(folder.resolve("large"), content);

        blobs.put(NAME, file);

        assertThat(blobs.size(NAME)).hasValue((long) content.length);
        assertThat(read(content.length - 5, 5))
                .isEqualTo(Arrays.copyOfRange(content, content.length - 5, content.length));
        assertThat(Arrays.equals(blobs.get(NAME).orElseThrow(), content)).isTrue();
    }

    @Test
    void an_empty_blob_is_a_blob() {
        blobs.put(NAME, new byte[0]);

        assertThat(blobs.get(NAME)).hasValue(new byte[0]);
        assertThat(blobs.size(NAME)).hasValue(0L);
    }

    @Test
    void a_second_put_replaces_the_first() {
        blobs.put(NAME, bytes(10));
        blobs.put(NAME, bytes(20));

        assertThat(blobs.get(NAME)).hasValue(bytes(20));
    }

    @Test
    void a_conditional_put_never_replaces_and_can_be_repeated() {
        assertThat(blobs.putIfAbsent(NAME, bytes(10))).isTrue();
        assertThat(blobs.putIfAbsent(NAME, bytes(11))).isFalse();
        assertThat(blobs.putIfAbsent(NAME, bytes(10))).isTrue();

        assertThat(blobs.get(NAME)).hasValue(bytes(10));
    }

    @Test
    void of_many_conditional_puts_at_the_same_time_one_wins() {
        try (var forks = new Forks()) {
            var attempts =
                    IntStream.range(0, 8)
                            .mapToObj(i ->
                                    forks.start(
                                            "put", () -> blobs.putIfAbsent(NAME, bytes(10 + i))))
                            .toList();
            var won = attempts.stream().map(a -> a.take(Duration.ofMinutes(1))).toList();

            assertThat(won).containsOnlyOnce(true);
            assertThat(blobs.get(NAME)).hasValue(bytes(10 + won.indexOf(true)));
        }
    }

    @Test
    void what_is_not_there_is_absent() {
        assertThat(blobs.get(NAME)).isEmpty();
        assertThat(blobs.size(NAME)).isEmpty();
        assertThatThrownBy(() -> read(0, 1)).isInstanceOf(BlobAbsent.class);
    }

    @Test
    void reading_beyond_the_end_is_damage_not_silence() {
        blobs.put(NAME, bytes(10));

        for (var range : List.of(new int[] {5, 6}, new int[] {10, 1}, new int[] {100, 1})) {
            assertThatThrownBy(() -> read(range[0], range[1]))
                    .as("bytes from %d", range[0])
                    .isInstanceOfSatisfying(
                            WrennException.class,
                            e -> assertThat(e.kind()).isEqualTo(Kind.CORRUPT));
        }
    }

    @Test
    void deleting_is_final_and_can_be_repeated() {
        blobs.put(NAME, bytes(10));

        blobs.delete(NAME);
        blobs.delete(NAME);

        assertThat(blobs.get(NAME)).isEmpty();
        assertThat(blobs.putIfAbsent(NAME, bytes(12))).isTrue();
    }

    @Test
    void a_list_holds_what_begins_with_the_prefix() {
        var names =
                List.of("packs/a/1", "packs/a/2", "packs/ab/1", "snapshots/snap-1").stream()
                        .map(BlobName::new)
                        .toList();
        names.forEach(n -> blobs.put(n, bytes(1)));

        assertThat(blobs.list("")).containsExactlyInAnyOrderElementsOf(names);
        assertThat(blobs.list("packs/a")).containsExactlyInAnyOrderElementsOf(names.subList(0, 3));
        assertThat(blobs.list("packs/a/")).containsExactlyInAnyOrderElementsOf(names.subList(0, 2));
        assertThat(blobs.list("nothing")).isEmpty();
    }

    @Test
    void names_that_could_lead_elsewhere_are_no_names() {
        for (var name : List.of("", "/a", "a/", "a//b", "../a", "a/../b", "A", "a b", ".hidden")) {
            assertThatThrownBy(() -> new BlobName(name))
                    .as(name)
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    private byte[] read(long offset, int count) {
        var target = ByteBuffer.allocate(count);
        blobs.read(NAME, offset, target);
        assertThat(target.hasRemaining()).isFalse();
        return target.array();
    }

    static byte[] bytes(int count) {
        var bytes = new byte[count];
        new Random(count).nextBytes(bytes);
        return bytes;
    }
}
