package dev.wrenn.linux;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Command;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.StructLayout;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Our constants against the C headers, through src/test/c/layout.c. */
class LayoutTest {
    private static final Map<String, StructLayout> STRUCTS =
            Map.ofEntries(
                    Map.entry("uffdio_copy", Uffd.STRUCT_UFFDIO_COPY),
                    Map.entry("uffdio_zeropage", Uffd.STRUCT_UFFDIO_ZEROPAGE),
                    Map.entry("uffdio_range", Uffd.STRUCT_UFFDIO_RANGE),
                    Map.entry("uffdio_api", UserfaultSupport.STRUCT_UFFDIO_API),
                    Map.entry("uffdio_register", UffdRegistration.STRUCT_UFFDIO_REGISTER),
                    Map.entry("pm_scan_arg", Pagemap.STRUCT_PM_SCAN_ARG),
                    Map.entry("page_region", Pagemap.STRUCT_PAGE_REGION),
                    Map.entry("pollfd", Poll.STRUCT_POLLFD),
                    Map.entry("timespec", ProcessUsage.STRUCT_TIMESPEC),
                    Map.entry("fiemap", FileExtents.STRUCT_FIEMAP),
                    Map.entry("fiemap_extent", FileExtents.STRUCT_FIEMAP_EXTENT),
                    Map.entry("msghdr", UnixSocket.STRUCT_MSGHDR));

    private static final Map<String, Long> NUMBERS =
            Map.ofEntries(
                    Map.entry("UFFDIO_COPY", Uffd.UFFDIO_COPY),
                    Map.entry("UFFDIO_ZEROPAGE", Uffd.UFFDIO_ZEROPAGE),
                    Map.entry("UFFDIO_WAKE", Uffd.UFFDIO_WAKE),
                    Map.entry("UFFDIO_API", UserfaultSupport.UFFDIO_API),
                    Map.entry("UFFDIO_REGISTER", UffdRegistration.UFFDIO_REGISTER),
                    Map.entry("UFFDIO_COPY_MODE_WP", Uffd.UFFDIO_COPY_MODE_WP),
                    Map.entry(
                            "UFFDIO_REGISTER_MODE_MISSING",
                            UffdRegistration.UFFDIO_REGISTER_MODE_MISSING),
                    Map.entry("UFFDIO_REGISTER_MODE_WP", UffdRegistration.UFFDIO_REGISTER_MODE_WP),
                    Map.entry("UFFD_EVENT_PAGEFAULT", (long) Uffd.EVENT_PAGEFAULT),
                    Map.entry("UFFD_EVENT_REMOVE", (long) Uffd.EVENT_REMOVE),
                    Map.entry("sizeof uffd_msg", Uffd.MESSAGE_BYTES),
                    Map.entry("uffd_msg.arg.pagefault.address", Uffd.ARG_ADDRESS),
                    Map.entry("uffd_msg.arg.remove.start", Uffd.ARG_START),
                    Map.entry("uffd_msg.arg.remove.end", Uffd.ARG_END),
                    Map.entry("PAGEMAP_SCAN", Pagemap.PAGEMAP_SCAN),
                    Map.entry("PAGE_IS_WRITTEN", Pagemap.PAGE_IS_WRITTEN),
                    Map.entry("PAGE_IS_PRESENT", Pagemap.PAGE_IS_PRESENT),
                    Map.entry("PAGE_IS_SWAPPED", Pagemap.PAGE_IS_SWAPPED),
                    Map.entry("PAGE_IS_PFNZERO", Pagemap.PAGE_IS_PFNZERO),
                    Map.entry("PM_SCAN_CHECK_WPASYNC", Pagemap.PM_SCAN_CHECK_WPASYNC),
                    Map.entry("FICLONE", Reflink.FICLONE),
                    Map.entry("FS_IOC_FIEMAP", FileExtents.FS_IOC_FIEMAP),
                    Map.entry("FIEMAP_FLAG_SYNC", (long) FileExtents.FIEMAP_FLAG_SYNC),
                    Map.entry("FIEMAP_EXTENT_LAST", (long) FileExtents.FIEMAP_EXTENT_LAST),
                    Map.entry(
                            "FIEMAP_EXTENT_UNWRITTEN", (long) FileExtents.FIEMAP_EXTENT_UNWRITTEN),
                    Map.entry("FIEMAP_EXTENT flags of vague places", (long) FileExtents.VAGUE),
                    Map.entry("SEEK_DATA", (long) SparseFile.SEEK_DATA),
                    Map.entry("SEEK_HOLE", (long) SparseFile.SEEK_HOLE),
                    Map.entry("O_NONBLOCK", (long) Fifo.O_NONBLOCK),
                    Map.entry("MS_NOSUID", Spawn.MS_NOSUID),
                    Map.entry("MS_NODEV", Spawn.MS_NODEV),
                    Map.entry("MS_NOEXEC", Spawn.MS_NOEXEC),
                    Map.entry("MS_REMOUNT", Spawn.MS_REMOUNT),
                    Map.entry("MS_BIND", Spawn.MS_BIND),
                    Map.entry("MS_REC", Spawn.MS_REC),
                    Map.entry("MS_PRIVATE", Spawn.MS_PRIVATE),
                    Map.entry("POLLIN", (long) Poll.POLLIN),
                    Map.entry("POLLERR", (long) Poll.POLLERR),
                    Map.entry("POLLHUP", (long) Poll.POLLHUP),
                    Map.entry("POLLNVAL", (long) Poll.POLLNVAL),
                    Map.entry("sizeof iovec", UnixSocket.IOVEC_BYTES),
                    Map.entry("sizeof ucred", (long) UnixSocket.UCRED_BYTES),
                    Map.entry("sizeof sockaddr_un", (long) UnixSocket.SOCKADDR_BYTES),
                    Map.entry("sockaddr_un.sun_path", 2L),
                    Map.entry("sizeof cmsghdr", (long) UnixSocket.CMSG_HEADER_BYTES),
                    Map.entry("cmsghdr.cmsg_level", 8L),
                    Map.entry("cmsghdr.cmsg_type", 12L),
                    Map.entry("CMSG_LEN of one descriptor", UnixSocket.CMSG_HEADER_BYTES + 4L),
                    Map.entry("CMSG_SPACE of one descriptor", UnixSocket.CMSG_HEADER_BYTES + 8L),
                    Map.entry("sizeof siginfo_t", (long) Pidfd.SIGINFO_BYTES),
                    Map.entry("sizeof sigset_t", (long) Spawn.SIGSET_BYTES),
                    Map.entry(
                            "sizeof posix_spawn_file_actions_t",
                            (long) Spawn.POSIX_SPAWN_FILE_ACTIONS_BYTES),
                    Map.entry("sizeof posix_spawnattr_t", (long) Spawn.POSIX_SPAWNATTR_BYTES),
                    Map.entry("O_CREAT", (long) Fd.O_CREAT),
                    Map.entry("O_TRUNC", (long) Fd.O_TRUNC),
                    Map.entry("O_APPEND", (long) Fd.O_APPEND),
                    Map.entry("O_RDWR", (long) Fd.O_RDWR),
                    Map.entry("O_WRONLY", (long) Fd.O_WRONLY),
                    Map.entry("SYS_userfaultfd", UserfaultSupport.SYS_USERFAULTFD));

    @TempDir Path folder;

    @Test
    void every_layout_and_number_is_that_of_the_c_headers() {
        var c = compileAndRun();

        assertThat(c).hasSizeGreaterThan(70);
        assertThat(c.keySet().stream().collect(Collectors.toMap(Function.identity(), this::ours)))
                .isEqualTo(c);
    }

    private Map<String, Long> compileAndRun() {
        var program = folder.resolve("layout");
        Command.of("gcc", "-o", program.toString(), "src/test/c/layout.c").run();
        return Command.of(program.toString())
                .run()
                .stdout()
                .lines()
                .collect(
                        Collectors.toMap(
                                line -> line.substring(0, line.lastIndexOf(' ')),
                                line -> Long.valueOf(line.substring(line.lastIndexOf(' ') + 1)),
                                (a, _) -> a,
                                TreeMap::new));
    }

    /** What we have for something the C program names. */
    private Long ours(String name) {
        var number = NUMBERS.get(name);
        if (number != null) {
            return number;
        }
        if (name.startsWith("sizeof ")) {
            return struct(name.substring("sizeof ".length())).byteSize();
        }
        int dot = name.indexOf('.');
        return struct(name.substring(0, dot))
                .byteOffset(PathElement.groupElement(name.substring(dot + 1)));
    }

    private static StructLayout struct(String name) {
        var layout = STRUCTS.get(name);
        if (layout == null) {
            throw new AssertionError("nothing stands for " + name);
        }
        return layout;
    }
}
