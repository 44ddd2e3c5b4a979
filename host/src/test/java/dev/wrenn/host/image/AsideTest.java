package dev.wrenn.host.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AsideTest {
    @TempDir Path folder;

    @Test
    void a_product_whose_making_fails_has_no_name_and_is_cleared_later() throws IOException {
        var aside = new Aside(folder);

        assertThatThrownBy(() ->
                        aside.make(
                                "image",
                                into -> {
                                    Files.writeString(into, "half");
                                    throw new IOException("disk full");
                                }))
                .hasMessage("disk full");
        assertThat(folder.resolve("image")).doesNotExist();

        aside.clear();
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void making_starts_afresh_after_an_interruption() throws IOException {
        var aside = new Aside(folder);
        var left = Files.createDirectories(aside.scratch("image"));
        Files.writeString(left.resolve("part"), "of an older run");

        var made =
                aside.make(
                        "image",
                        into -> {
                            assertThat(into).doesNotExist();
                            Files.createDirectories(into.resolve("inner"));
                            Files.writeString(into.resolve("inner/whole"), "new");
                        });

        assertThat(made.resolve("inner/whole")).hasContent("new");
        assertThat(folder).isDirectoryNotContaining("glob:**/.unfinished-*");
    }

    @Test
    void clearing_keeps_what_is_complete() throws IOException {
        var aside = new Aside(folder);
        aside.make("image", into -> Files.writeString(into, "whole"));

        aside.clear();

        assertThat(folder.resolve("image")).hasContent("whole");
    }
}
