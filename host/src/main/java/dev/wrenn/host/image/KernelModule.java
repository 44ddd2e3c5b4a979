package dev.wrenn.host.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * A kernel module as a file.
 *
 * @param name as other modules refer to it: underscores, no suffix
 * @param file where it is
 */
record KernelModule(String name, Path file) {
    private static final int ELF64_HEADER_BYTES = 64;
    private static final int SECTION_HEADER_BYTES = 64;
    private static final int ELF_MAGIC = 0x464c457f; // 0x7f "ELF", little endian
    private static final byte CLASS_64 = 2;
    private static final byte LITTLE_ENDIAN = 1;

    /** The module in a file, which is named after it. */
    static KernelModule at(Path file) {
        return new KernelModule(nameOf(file.getFileName().toString()), file);
    }

    /** Modules are named with - or _ in files, but always with _ in dependencies. */
    static String nameOf(String fileName) {
        int suffix = fileName.indexOf(".ko");
        return (suffix < 0 ? fileName : fileName.substring(0, suffix)).replace('-', '_');
    }

    /**
     * The modules that must be loaded before this one; those built into the kernel are not named.
     * Read from the {@code depends=} entry of the ELF section {@code .modinfo} (Linux
     * scripts/mod/modpost.c, add_depends), as depmod does.
     */
    List<String> dependencies() throws IOException {
        var elf = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        try {
            return modinfo(elf)
                    .filter(entry -> entry.startsWith("depends="))
                    .map(entry -> entry.substring("depends=".length()))
                    .flatMap(names -> Stream.of(names.split(",")))
                    .filter(name -> !name.isEmpty())
                    .map(KernelModule::nameOf)
                    .toList();
        } catch (IndexOutOfBoundsException | IllegalArgumentException e) {
            throw new GuestImageFailed("kernel module " + name + " is not a whole ELF file", e);
        }
    }

    private Stream<String> modinfo(ByteBuffer elf) {
        if (elf.limit() < ELF64_HEADER_BYTES
                || elf.getInt(0) != ELF_MAGIC
                || elf.get(4) != CLASS_64
                || elf.get(5) != LITTLE_ENDIAN) {
            throw new GuestImageFailed("kernel module " + name + " is not a 64-bit ELF file");
        }
        // Elf64_Ehdr: e_shoff at 40, e_shentsize at 58, e_shnum at 60, e_shstrndx at 62 (elf.h).
        int table = Math.toIntExact(elf.getLong(40));
        int sections = Short.toUnsignedInt(elf.getShort(60));
        if (Short.toUnsignedInt(elf.getShort(58)) != SECTION_HEADER_BYTES) {
            throw new GuestImageFailed("kernel module " + name + " has odd section headers");
        }
        Objects.checkFromIndexSize(table, sections * SECTION_HEADER_BYTES, elf.limit());
        int names =
                offset(elf, table + Short.toUnsignedInt(elf.getShort(62)) * SECTION_HEADER_BYTES);
        for (int i = 0; i < sections; i++) {
            int header = table + i * SECTION_HEADER_BYTES;
            if (text(elf, names + elf.getInt(header)).equals(".modinfo")) {
                int size = Math.toIntExact(elf.getLong(header + 32)); // sh_size
                var bytes = new byte[size];
                elf.get(offset(elf, header), bytes);
                return Stream.of(new String(bytes, StandardCharsets.UTF_8).split("\0"));
            }
        }
        throw new GuestImageFailed("kernel module " + name + " has no .modinfo section");
    }

    private static int offset(ByteBuffer elf, int header) {
        return Math.toIntExact(elf.getLong(header + 24)); // sh_offset
    }

    private static String text(ByteBuffer elf, int start) {
        int end = start;
        while (elf.get(end) != 0) {
            end++;
        }
        var bytes = new byte[end - start];
        elf.get(start, bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
