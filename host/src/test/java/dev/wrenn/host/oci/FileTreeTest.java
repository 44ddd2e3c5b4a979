package dev.wrenn.host.oci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What layers make together (OCI image layer specification), and that they make nothing else. */
class FileTreeTest {
    @TempDir Path folder;

    private final List<Layer> layers = new ArrayList<>();

    private interface Filling {
        void into(TarArchiveOutputStream tar) throws IOException;
    }

    private void layer(Filling filling) throws IOException {
        var file = folder.resolve("layer-" + layers.size());
        try (var tar =
                new TarArchiveOutputStream(new GZIPOutputStream(Files.newOutputStream(file)))) {
            tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
            filling.into(tar);
        }
        layers.add(new Layer(file));
    }

    private static void file(TarArchiveOutputStream tar, String name, String text)
            throws IOException {
        var bytes = text.getBytes(StandardCharsets.UTF_8);
        var entry = new TarArchiveEntry(name, true);
        entry.setSize(bytes.length);
        tar.putArchiveEntry(entry);
        tar.write(bytes);
        tar.closeArchiveEntry();
    }

    private static void special(TarArchiveOutputStream tar, String name, byte sort, String target)
            throws IOException {
        var entry = new TarArchiveEntry(name, sort, true);
        entry.setLinkName(target);
        tar.putArchiveEntry(entry);
        tar.closeArchiveEntry();
    }

    private static void link(TarArchiveOutputStream tar, String name, String target)
            throws IOException {
        special(tar, name, TarConstants.LF_SYMLINK, target);
    }

    /** Names with contents or targets, as the merged tar has them, without folders. */
    private Map<String, String> merged() throws IOException {
        var into = folder.resolve("merged.tar");
        new MergedTar(layers).write(into, List.of());
        var found = new LinkedHashMap<String, String>();
        try (var tar = new TarArchiveInputStream(Files.newInputStream(into))) {
            for (var e = tar.getNextEntry(); e != null; e = tar.getNextEntry()) {
                if (!e.isDirectory()) {
                    var text = new String(tar.readAllBytes(), StandardCharsets.UTF_8);
                    found.put(
                            e.getName(), e.getLinkName().isEmpty() ? text : "->" + e.getLinkName());
                }
            }
        }
        return found;
    }

    @Test
    void upper_layers_replace_and_hide_what_lower_ones_have() throws IOException {
        layer(tar -> {
            file(tar, "etc/a", "1");
            file(tar, "etc/b", "1");
            file(tar, "opt/x/deep", "1");
            file(tar, "opt/x/other", "1");
        });
        layer(tar -> {
            file(tar, "etc/a", "2");
            file(tar, "etc/.wh.b", "");
            file(tar, "opt/x/new", "2");
            file(tar, "opt/x/.wh..wh..opq", "");
        });

        assertThat(merged()).isEqualTo(Map.of("etc/a", "2", "opt/x/new", "2"));
    }

    @Test
    void what_a_layer_makes_anew_after_hiding_it_is_there() throws IOException {
        layer(tar -> file(tar, "a/b", "1"));
        layer(tar -> {
            file(tar, ".wh.a", "");
            file(tar, "a/c", "2");
        });

        assertThat(merged()).isEqualTo(Map.of("a/c", "2"));
    }

    @Test
    void a_path_through_a_link_of_a_lower_layer_goes_where_the_link_leads_inside()
            throws IOException {
        layer(tar -> {
            file(tar, "usr/lib/one", "1");
            link(tar, "lib", "usr/lib");
            link(tar, "out", "/etc");
            link(tar, "up", "../../../../etc");
        });
        layer(tar -> {
            file(tar, "lib/two", "2");
            file(tar, "out/passwd", "inside");
            file(tar, "up/shadow", "inside");
        });

        assertThat(merged())
                .containsEntry("usr/lib/two", "2")
                .containsEntry("etc/passwd", "inside")
                .containsEntry("etc/shadow", "inside")
                .containsEntry("lib", "->usr/lib")
                .doesNotContainKeys("lib/two", "out/passwd");
    }

    @Test
    void hard_links_share_a_file_that_stays_when_its_first_name_goes() throws IOException {
        layer(tar -> {
            file(tar, "bin/one", "text");
            special(tar, "bin/two", TarConstants.LF_LINK, "bin/one");
            special(tar, "bin/three", TarConstants.LF_LINK, "/bin/one");
        });
        layer(tar -> file(tar, "bin/.wh.one", ""));

        assertThat(merged()).isEqualTo(Map.of("bin/three", "text", "bin/two", "->bin/three"));
    }

    @Test
    void a_folder_and_a_file_replace_each_other() throws IOException {
        layer(tar -> {
            file(tar, "a/inner", "1");
            file(tar, "b", "1");
        });
        layer(tar -> {
            file(tar, "a", "2");
            special(tar, "b/", TarConstants.LF_DIR, "");
            file(tar, "b/inner", "2");
        });

        assertThat(merged()).isEqualTo(Map.of("a", "2", "b/inner", "2"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"../etc/passwd", "a/../../x", "/../x", ".."})
    void an_image_that_leads_out_is_refused(String name) throws IOException {
        layer(tar -> file(tar, name, "x"));

        assertThatThrownBy(this::merged)
                .isInstanceOf(ImageRefused.class)
                .hasMessageContaining("leads out");
    }

    @Test
    void links_to_nothing_and_in_circles_are_refused() throws IOException {
        layer(tar -> special(tar, "a", TarConstants.LF_LINK, "missing"));
        assertThatThrownBy(this::merged).hasMessageContaining("no file in it");

        layers.clear();
        layer(tar -> {
            link(tar, "x", "y");
            link(tar, "y", "x");
            file(tar, "x/file", "");
        });
        assertThatThrownBy(this::merged).hasMessageContaining("circle");
    }

    @Test
    void half_a_layer_is_damaged_and_a_bomb_is_refused_unexploded() throws IOException {
        layer(tar -> file(tar, "a", "x".repeat(100_000)));
        var half = Files.readAllBytes(layers.getFirst().file());
        Files.write(layers.getFirst().file(), java.util.Arrays.copyOf(half, half.length / 2));
        assertThatThrownBy(this::merged).hasMessageContaining("damaged");

        layers.clear();
        var file = folder.resolve("bomb");
        try (var tar = new TarArchiveOutputStream(Files.newOutputStream(file))) {
            tar.setBigNumberMode(TarArchiveOutputStream.BIGNUMBER_POSIX);
            var entry = new TarArchiveEntry("bomb");
            entry.setSize(1L << 40);
            tar.putArchiveEntry(entry);
            tar.write(new byte[1 << 20]);
            tar.flush();
            layers.add(new Layer(file));
            assertThatThrownBy(this::merged).hasMessageContaining("MiB");
        } catch (IOException e) {
            // The tar was never meant to be whole.
            assertThat(e).hasMessageContaining("unclosed");
        }
    }
}
