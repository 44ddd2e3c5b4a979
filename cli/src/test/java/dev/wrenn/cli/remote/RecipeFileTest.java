package dev.wrenn.cli.remote;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.TreeMap;
import java.util.zip.GZIPInputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Recipes in files, and the folder they copy from. */
class RecipeFileTest {
    @TempDir Path folder;

    @Test
    void a_recipe_is_read_line_by_line() {
        var recipe =
                RecipeFile.parse(
                        """
                        # a web server
                        from base-python

                        ENV PORT=8000
                        RUN pip install \\
                            # the usual
                            flask \\
                            gunicorn
                        COPY app /srv
                        HEALTHCHECK --interval=1s curl -f localhost:8000
                        """);

        assertThat(recipe.from()).contains("base-python");
        assertThat(recipe.steps())
                .containsExactly(
                        "ENV PORT=8000", "RUN pip install  flask  gunicorn", "COPY app /srv");
        assertThat(recipe.healthcheck()).contains("--interval=1s curl -f localhost:8000");
        assertThat(recipe.needsContext()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"RUN a\nFROM b", "FROM a\nFROM b", "FROM", "HEALTHCHECK", "RUN a \\"})
    void what_makes_no_sense_is_refused(String text) {
        assertThatThrownBy(() -> RecipeFile.parse(text)).hasMessageMatching("(?s).+");
    }

    @Test
    void images_are_told_from_templates_by_their_names() {
        assertThat(RecipeFile.isImage("base-python")).isFalse();
        assertThat(RecipeFile.isImage("localhost:5000/app")).isTrue();
        assertThat(RecipeFile.isImage("redis:7")).isTrue();
    }

    @Test
    void the_folder_is_packed_with_modes_and_links_and_without_what_is_ignored()
            throws IOException {
        Files.createDirectories(folder.resolve("app/node_modules"));
        Files.createDirectories(folder.resolve(".git"));
        Files.writeString(folder.resolve(".git/config"), "x");
        Files.writeString(folder.resolve("app/node_modules/big"), "x");
        Files.writeString(folder.resolve("app/run"), "#!/bin/sh\n");
        Files.setPosixFilePermissions(
                folder.resolve("app/run"), PosixFilePermissions.fromString("rwxr-x---"));
        Files.createSymbolicLink(folder.resolve("app/link"), Path.of("run"));
        Files.writeString(folder.resolve("secret.env"), "x");
        Files.writeString(folder.resolve(".wrennignore"), "# comment\n*.env\napp/node_modules/\n");

        var packed = new ByteArrayOutputStream();
        new BuildContext(folder).pack(packed);

        var found = new TreeMap<String, String>();
        try (var tar =
                new TarArchiveInputStream(
                        new GZIPInputStream(new ByteArrayInputStream(packed.toByteArray())))) {
            for (var entry = tar.getNextEntry(); entry != null; entry = tar.getNextEntry()) {
                found.put(
                        entry.getName(),
                        entry.isSymbolicLink()
                                ? entry.getLinkName()
                                : Integer.toOctalString(entry.getMode()));
            }
        }
        assertThat(found).containsOnlyKeys(".wrennignore", "app/", "app/link", "app/run");
        assertThat(found).containsEntry("app/run", "750").containsEntry("app/link", "run");
    }
}
