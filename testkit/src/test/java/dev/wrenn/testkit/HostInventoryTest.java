package dev.wrenn.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.testkit.HostInventory.Part;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HostInventoryTest {
    private static final Duration NOW = Duration.ZERO;

    @TempDir Path folder;

    @Test
    void an_untouched_machine_is_equal_to_itself() {
        var view = HostInventory.view().marked("no-such-mark-anywhere").under(folder);

        var before = view.take();

        assertThat(view.take()).isEqualTo(before);
        before.assertRestored(view, NOW);
    }

    @Test
    void a_file_left_behind_is_named() throws IOException {
        var view = HostInventory.view().marked("no-such-mark-anywhere").under(folder);
        var before = view.take();

        var left = Files.createFile(folder.resolve("left"));

        assertThat(before.changesUntil(view.take())).containsExactly("+ FILES " + left + " (+1)");
        assertThatThrownBy(() -> before.assertRestored(view, NOW))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining(left.toString());
    }

    @Test
    void a_descriptor_left_open_is_named_until_it_is_closed() throws IOException {
        var file = Files.createFile(folder.resolve("open"));
        var view = HostInventory.view().marked("no-such-mark-anywhere").and(Part.DESCRIPTORS);
        var before = view.take();

        try (var in = Files.newInputStream(file)) {
            assertThat(in.read()).isEqualTo(-1);
            assertThat(before.changesUntil(view.take()))
                    .contains("+ DESCRIPTORS " + file + " (+1)");
        }

        Eventually.holds(
                Duration.ofSeconds(5),
                () ->
                        assertThat(before.changesUntil(view.take()))
                                .noneMatch(c -> c.contains("open")));
    }

    @Test
    void a_thread_left_running_is_named() throws InterruptedException {
        var view = HostInventory.view().marked("no-such-mark-anywhere").and(Part.THREADS);
        var before = view.take();
        var end = new CountDownLatch(1);
        var thread =
                Thread.ofPlatform()
                        .name("left-behind")
                        .start(() -> {
                            try {
                                end.await();
                            } catch (InterruptedException _) {
                                Thread.currentThread().interrupt();
                            }
                        });

        try {
            assertThat(before.changesUntil(view.take())).contains("+ THREADS left-behind (+1)");
        } finally {
            end.countDown();
            thread.join();
        }
    }

    @Test
    void things_without_the_mark_are_not_ours() {
        var all = HostInventory.view().take();
        var none = HostInventory.view().marked("no-such-mark-anywhere").take();

        assertThat(all.things().get(Part.MOUNTS)).isNotEmpty();
        assertThat(none.things().values()).allMatch(java.util.Map::isEmpty);
    }
}
