package dev.wrenn.host.image;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.apache.commons.compress.archivers.cpio.CpioArchiveEntry;
import org.apache.commons.compress.archivers.cpio.CpioArchiveOutputStream;
import org.apache.commons.compress.archivers.cpio.CpioConstants;

/**
 * The first file system of a guest: the guest agent as {@code /init}, the modules that it loads
 * under {@code /lib/modules}, their load order in {@code /lib/modules/order}.
 *
 * <p>Uncompressed: it is a few MB that the VMM copies from the page cache, while an emulated CPU
 * needs far longer to unpack them. The same inputs give the same bytes. Format: Linux
 * Documentation/driver-api/early-userspace/buffer-format.rst, "newc".
 */
final class Initrd {
    private static final String FORMAT = "initrd 1";
    private static final byte[] ELF_MAGIC = {0x7f, 'E', 'L', 'F'};
    private static final int EXECUTABLE = 0755;
    private static final int READABLE = 0644;
    private static final List<String> FOLDERS =
            List.of("dev", "proc", "sys", "run", "newroot", "lib", "lib/modules");

    private final CpioArchiveOutputStream archive;
    private long inode = 1;

    private Initrd(CpioArchiveOutputStream archive) {
        this.archive = archive;
    }

    /** The initrd for that kernel and agent; made if there is none. */
    static Path prepare(Aside aside, Path folder, GuestKernel kernel, Path agent)
            throws IOException {
        requireProgram(agent);
        var content = new Sha256().text(FORMAT).file(agent);
        for (var module : kernel.modules()) {
            content.text(module.name()).file(module.file());
        }
        var name = "initrd-" + content.name();
        var target = folder.resolve(name);
        return Files.exists(target)
                ? target
                : aside.make(name, into -> write(into, kernel.modules(), agent));
    }

    private static void requireProgram(Path agent) throws IOException {
        if (!Files.isRegularFile(agent)) {
            throw new GuestImageFailed("there is no guest agent at " + agent);
        }
        try (var in = Files.newInputStream(agent)) {
            if (!Arrays.equals(in.readNBytes(ELF_MAGIC.length), ELF_MAGIC)) {
                throw new GuestImageFailed(agent + " is no program: not an ELF file");
            }
        }
    }

    private static void write(Path into, List<KernelModule> modules, Path agent)
            throws IOException {
        try (var archive =
                new CpioArchiveOutputStream(
                        new BufferedOutputStream(Files.newOutputStream(into)))) {
            var initrd = new Initrd(archive);
            for (var folder : FOLDERS) {
                initrd.put(folder, CpioConstants.C_ISDIR | EXECUTABLE, new byte[0]);
            }
            initrd.putConsole();
            var order = new StringBuilder();
            for (var module : modules) {
                var file = module.name() + ".ko";
                order.append(file).append('\n');
                initrd.putFile("lib/modules/" + file, READABLE, Files.readAllBytes(module.file()));
            }
            initrd.putFile(
                    "lib/modules/order",
                    READABLE,
                    order.toString().getBytes(StandardCharsets.UTF_8));
            initrd.putFile("init", EXECUTABLE, Files.readAllBytes(agent));
        }
    }

    private void putFile(String path, int permissions, byte[] content) throws IOException {
        put(path, CpioConstants.C_ISREG | permissions, content);
    }

    /** Without it the kernel starts /init with no standard output to complain on. */
    private void putConsole() throws IOException {
        var entry = entry("dev/console", CpioConstants.C_ISCHR | 0600, 0);
        entry.setRemoteDeviceMaj(5);
        entry.setRemoteDeviceMin(1);
        archive.putArchiveEntry(entry);
        archive.closeArchiveEntry();
    }

    private void put(String path, int mode, byte[] content) throws IOException {
        archive.putArchiveEntry(entry(path, mode, content.length));
        archive.write(content);
        archive.closeArchiveEntry();
    }

    private CpioArchiveEntry entry(String path, int mode, long sizeBytes) {
        var entry = new CpioArchiveEntry(CpioConstants.FORMAT_NEW, path, sizeBytes);
        entry.setMode(Integer.toUnsignedLong(mode));
        entry.setInode(inode++);
        entry.setNumberOfLinks(1);
        entry.setTime(0);
        return entry;
    }
}
