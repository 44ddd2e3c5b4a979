package dev.wrenn.host.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KernelModuleTest {
    private static final String SECTION_NAMES = "\0.shstrtab\0.modinfo\0";

    @TempDir Path folder;

    /** An ELF file of nothing but the two sections that matter here. */
    private static byte[] module(String modinfo) {
        var names = SECTION_NAMES.getBytes(StandardCharsets.UTF_8);
        var entries = modinfo.getBytes(StandardCharsets.UTF_8);
        int table = 64 + names.length + entries.length;
        var elf = ByteBuffer.allocate(table + 3 * 64).order(ByteOrder.LITTLE_ENDIAN);
        elf.put(new byte[] {0x7f, 'E', 'L', 'F', 2, 1, 1});
        elf.putLong(40, table).putShort(58, (short) 64).putShort(60, (short) 3);
        elf.putShort(62, (short) 1);
        elf.put(64, names).put(64 + names.length, entries);
        section(elf, table + 64, SECTION_NAMES.indexOf(".shstrtab"), 64, names.length);
        section(
                elf,
                table + 128,
                SECTION_NAMES.indexOf(".modinfo"),
                64 + names.length,
                entries.length);
        return elf.array();
    }

    private static void section(ByteBuffer elf, int header, int name, int offset, int size) {
        elf.putInt(header, name).putLong(header + 24, offset).putLong(header + 32, size);
    }

    private KernelModule file(byte[] content) throws IOException {
        return KernelModule.at(Files.write(folder.resolve("virtio-net.ko"), content));
    }

    @Test
    void dependencies_come_from_the_modinfo_section_with_names_made_alike() throws IOException {
        var module = file(module("license=GPL\0depends=net-failover,virtio\0name=virtio_net\0"));

        assertThat(module.name()).isEqualTo("virtio_net");
        assertThat(module.dependencies()).containsExactly("net_failover", "virtio");
    }

    @Test
    void a_module_without_dependencies_has_none() throws IOException {
        assertThat(file(module("depends=\0license=GPL\0")).dependencies()).isEmpty();
    }

    @Test
    void a_file_cut_anywhere_is_refused_and_not_misread() throws IOException {
        var whole = module("license=GPL\0depends=virtio\0");

        for (int length = 0; length < whole.length; length += 7) {
            var cut = file(Arrays.copyOf(whole, length));

            assertThatThrownBy(cut::dependencies)
                    .as("cut at %d bytes", length)
                    .isInstanceOf(GuestImageFailed.class);
        }
    }
}
