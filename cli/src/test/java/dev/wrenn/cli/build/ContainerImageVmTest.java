package dev.wrenn.cli.build;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.base.Command;
import dev.wrenn.testkit.Eventually;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Templates made from container images of a real registry, started as real VMs. */
@Tag("vm")
class ContainerImageVmTest {
    private static final Duration SOON = Duration.ofSeconds(60);

    @TempDir static Path folder;

    private static Registry registry;
    private static WrennLab lab;

    @BeforeAll
    static void open() throws IOException {
        registry = Registry.start(Files.createDirectories(folder.resolve("r")));
        lab =
                WrennLab.open(
                        Files.createDirectories(folder.resolve("w")),
                        java.util.Set.of(registry.name()));
    }

    @AfterAll
    static void close() {
        lab.close();
        registry.close();
    }

    private interface Filling {
        void into(TarArchiveOutputStream tar) throws IOException;
    }

    private static byte[] layer(Filling filling) throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (var tar = new TarArchiveOutputStream(new GZIPOutputStream(bytes))) {
            tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
            filling.into(tar);
        }
        return bytes.toByteArray();
    }

    private static TarArchiveEntry entry(String name, int size, int mode, int user, int group) {
        var entry = new TarArchiveEntry(name, true);
        entry.setSize(size);
        entry.setMode(mode);
        entry.setIds(user, group);
        return entry;
    }

    private static void file(TarArchiveOutputStream tar, TarArchiveEntry entry, byte[] bytes)
            throws IOException {
        tar.putArchiveEntry(entry);
        tar.write(bytes);
        tar.closeArchiveEntry();
    }

    private static void text(TarArchiveOutputStream tar, String name, String text)
            throws IOException {
        var bytes = text.getBytes(StandardCharsets.UTF_8);
        file(tar, entry(name, bytes.length, 0640, 1234, 5678), bytes);
    }

    private static void special(TarArchiveOutputStream tar, String name, byte sort, String target)
            throws IOException {
        var entry = new TarArchiveEntry(name, sort, true);
        entry.setLinkName(target);
        if (sort == TarConstants.LF_CHR) {
            entry.setDevMajor(1);
            entry.setDevMinor(3);
            entry.setMode(0666);
        }
        tar.putArchiveEntry(entry);
        tar.closeArchiveEntry();
    }

    private static ObjectNode config() {
        var json = WrennLab.JSON.createObjectNode();
        json.put("architecture", "amd64").put("os", "linux");
        return json;
    }

    private static ObjectNode build(String name, String image) {
        return WrennLab.JSON.createObjectNode().put("name", name).put("image", image);
    }

    /** What debugfs(8) prints for a command on the one disk that was made of an image. */
    private static String debugfs(String command) throws IOException {
        try (var disks = Files.list(folder.resolve("w/volume/images"))) {
            var disk =
                    disks.filter(d -> d.getFileName().toString().startsWith("image-"))
                            .findFirst()
                            .orElseThrow();
            return Command.of("debugfs", "-R", command, disk.toString()).run().stdout();
        }
    }

    @Test
    void an_image_without_a_shell_runs_as_it_says_and_its_files_are_what_its_layers_say()
            throws Exception {
        // ldconfig is linked statically, so it needs nothing else of an image.
        var program = Files.readAllBytes(Path.of("/sbin/ldconfig"));
        var lower =
                layer(tar -> {
                    file(tar, entry("opt/tool", program.length, 0755, 0, 0), program);
                    special(tar, "opt/same", TarConstants.LF_LINK, "opt/tool");
                    special(tar, "opt/link", TarConstants.LF_SYMLINK, "/etc");
                    special(tar, "opt/null", TarConstants.LF_CHR, "");
                    text(tar, "data/hidden", "1");
                    text(tar, "data/kept", "1");
                    text(tar, "old/inner", "1");
                    var coloured = entry("data/coloured", 1, 0600, 0, 0);
                    coloured.addPaxHeader("SCHILY.xattr.user.colour", "green");
                    file(tar, coloured, new byte[] {'x'});
                    file(tar, entry("data/zeros", 8 << 20, 0600, 0, 0), new byte[8 << 20]);
                });
        var upper =
                layer(tar -> {
                    text(tar, "data/.wh.hidden", "");
                    text(tar, "old/.wh..wh..opq", "");
                    text(tar, "old/new", "2");
                    text(tar, "opt/link/inside", "through the link");
                });
        var config = config();
        var process = config.putObject("config");
        process.putArray("Env").add("COLOUR=blue");
        process.put("User", "65532:7").put("WorkingDir", "/work/dir");
        process.putArray("Entrypoint").add("/opt/tool");
        process.putArray("Cmd").add("--version");
        var image = registry.push("bare", config, List.of(lower, upper));

        var built = lab.succeeded(lab.post("/builds", build("bare", image), 201));

        assertThat(built.path("default_user").asText()).isEqualTo("65532:7");
        assertThat(built.path("default_env").path("COLOUR").asText()).isEqualTo("blue");
        assertThat(built.path("logs").get(0).path("stdout").asText()).contains("@sha256:");
        assertThat(debugfs("stat /data/kept"))
                .containsPattern("User:\\s+1234")
                .containsPattern("Group:\\s+5678")
                .containsPattern("Mode:\\s+0640");
        assertThat(debugfs("stat /opt/null")).contains("Type: character special");
        assertThat(debugfs("stat /opt/same")).containsPattern("Links: 2");
        assertThat(debugfs("ea_list /data/coloured")).contains("user.colour", "green");
        assertThat(debugfs("stat /data/zeros")).contains("Blockcount: 0");
        assertThat(debugfs("cat /etc/inside")).isEqualTo("through the link\n");
        assertThat(debugfs("ls -p /data")).doesNotContain("hidden");
        assertThat(debugfs("ls -p /old")).contains("new").doesNotContain("inner");

        var capsule = lab.create("bare");
        var order = WrennLab.JSON.createObjectNode().put("cmd", "/opt/same");
        order.putArray("args").add("--version");
        var result = lab.post("/capsules/" + capsule + "/exec", order, 200);
        assertThat(result.path("stdout").asText()).startsWith("ldconfig");
        assertThat(lab.get("/snapshots?type=base").findValues("start_command").toString())
                .contains("/opt/tool", "--version");
        lab.delete("/capsules/" + capsule);

        // A second template of the same content shares the disk, and the disk outlives the first.
        lab.succeeded(lab.post("/builds", build("twin", image), 201));
        lab.delete("/snapshots/bare");
        lab.delete("/capsules/" + lab.create("twin"));
        lab.delete("/snapshots/twin");
    }

    @Test
    void an_image_that_leads_out_for_another_machine_or_nowhere_is_refused_and_leaves_nothing()
            throws Exception {
        var outside = folder.resolve("w/escaped");
        var hostile = layer(tar -> text(tar, "../../../../../.." + outside, "x"));
        var foreign = config().put("architecture", "arm64");
        var before = lab.host().templates();

        for (var image :
                List.of(
                        registry.push("hostile", config(), List.of(hostile)),
                        registry.push(
                                "foreign", foreign, List.of(layer(tar -> text(tar, "a", "b")))),
                        registry.name() + "/missing:latest",
                        "127.0.0.1:1/private:latest")) {
            var build = lab.ended(lab.post("/builds", build("refused", image), 201));
            assertThat(build.path("status").asText()).as(image).isEqualTo("failed");
            assertThat(build.path("error").asText())
                    .containsAnyOf("leads out", "arm64", "no image", "not on a public address");
        }

        assertThat(outside).doesNotExist();
        assertThat(lab.host().templates()).isEqualTo(before);
        Eventually.within(SOON, () -> lab.host().inventory().isEmpty());
    }
}
