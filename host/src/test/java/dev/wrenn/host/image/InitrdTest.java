package dev.wrenn.host.image;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.commons.compress.archivers.cpio.CpioArchiveEntry;
import org.apache.commons.compress.archivers.cpio.CpioArchiveInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InitrdTest {
    @TempDir Path folder;

    private record Entry(CpioArchiveEntry header, String text) {}

    private record Contents(Map<String, Entry> entries) {
        Entry get(String name) {
            return requireNonNull(entries.get(name), () -> "no " + name + " in the archive");
        }
    }

    private Path agent(String content) throws IOException {
        return Files.writeString(folder.resolve("agent"), "\177ELF" + content);
    }

    private GuestKernel kernel() throws IOException {
        var second = Files.writeString(folder.resolve("a.ko"), "module a");
        var first = Files.writeString(folder.resolve("z-z.ko"), "module z");
        return new GuestKernel(
                folder.resolve("vmlinuz"),
                "6.1",
                List.of(KernelModule.at(first), KernelModule.at(second)));
    }

    private static Contents read(Path initrd) throws IOException {
        var entries = new LinkedHashMap<String, Entry>();
        try (var archive = new CpioArchiveInputStream(Files.newInputStream(initrd))) {
            for (var header = archive.getNextEntry();
                    header != null;
                    header = archive.getNextEntry()) {
                entries.put(
                        header.getName(),
                        new Entry(
                                header,
                                new String(archive.readAllBytes(), StandardCharsets.UTF_8)));
            }
        }
        return new Contents(entries);
    }

    @Test
    void it_holds_the_agent_the_modules_in_load_order_and_a_console() throws IOException {
        var images = folder.resolve("images");

        var entries = read(Initrd.prepare(new Aside(images), images, kernel(), agent("the agent")));

        assertThat(entries.get("init").text()).isEqualTo("\177ELFthe agent");
        assertThat(entries.get("init").header().getMode()).isEqualTo(0100755);
        assertThat(entries.get("lib/modules/order").text()).isEqualTo("z_z.ko\na.ko\n");
        assertThat(entries.get("lib/modules/z_z.ko").text()).isEqualTo("module z");
        assertThat(entries.get("lib/modules/a.ko").text()).isEqualTo("module a");
        var console = entries.get("dev/console").header();
        assertThat(console.isCharacterDevice()).isTrue();
        assertThat(console.getRemoteDeviceMaj()).isEqualTo(5);
        assertThat(console.getRemoteDeviceMin()).isEqualTo(1);
        assertThat(List.of("proc", "sys", "dev", "run", "newroot"))
                .allMatch(name -> entries.get(name).header().isDirectory());
    }

    @Test
    void the_same_inputs_give_the_same_file_and_it_is_not_made_twice() throws IOException {
        var images = folder.resolve("images");
        var first = Initrd.prepare(new Aside(images), images, kernel(), agent("one"));
        var written = Files.getLastModifiedTime(first);

        var second = Initrd.prepare(new Aside(images), images, kernel(), agent("one"));

        assertThat(second).isEqualTo(first);
        assertThat(Files.getLastModifiedTime(second)).isEqualTo(written);
    }

    @Test
    void a_new_agent_makes_a_new_initrd_and_keeps_the_old_one() throws IOException {
        var images = folder.resolve("images");
        var first = Initrd.prepare(new Aside(images), images, kernel(), agent("one"));

        var second = Initrd.prepare(new Aside(images), images, kernel(), agent("two"));

        assertThat(second).isNotEqualTo(first);
        assertThat(read(first).get("init").text()).endsWith("one");
        assertThat(read(second).get("init").text()).endsWith("two");
    }

    @Test
    void an_agent_that_is_no_program_is_refused_and_nothing_is_left() throws IOException {
        var images = folder.resolve("images");
        var script = Files.writeString(folder.resolve("script"), "#!/bin/sh\n");
        var aside = new Aside(images);
        var kernel = kernel();

        assertThatThrownBy(() -> Initrd.prepare(aside, images, kernel, script))
                .isInstanceOf(GuestImageFailed.class)
                .hasMessageContaining("not an ELF file");
        assertThatThrownBy(() -> Initrd.prepare(aside, images, kernel, folder.resolve("none")))
                .isInstanceOf(GuestImageFailed.class)
                .hasMessageContaining("no guest agent");

        assertThat(images).isEmptyDirectory();
    }
}
