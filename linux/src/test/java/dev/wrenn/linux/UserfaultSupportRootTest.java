package dev.wrenn.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("root")
class UserfaultSupportRootTest {
    @Test
    void this_kernel_is_said_to_have_what_its_version_has() {
        var version = System.getProperty("os.version").split("[.-]", -1);
        int major = Integer.parseInt(version[0]);
        int minor = Integer.parseInt(version[1]);

        var support = UserfaultSupport.probe();

        assertThat(support.problem()).isEmpty();
        // WP_ASYNC came with Linux 6.7 and is the newest of those that are used.
        assertThat(support.missing().contains("WP_ASYNC"))
                .isEqualTo(major < 6 || (major == 6 && minor < 7));
        assertThat(support.missing()).doesNotContain("EVENT_REMOVE", "PAGEFAULT_FLAG_WP");
    }

    @Test
    void probing_leaves_no_descriptor_open() throws IOException {
        UserfaultSupport.probe();

        try (var descriptors = Files.list(Path.of("/proc/self/fd"))) {
            var targets =
                    descriptors
                            .filter(Files::isSymbolicLink)
                            .map(UserfaultSupportRootTest::target)
                            .toList();
            assertThat(targets).noneMatch(target -> target.contains("userfaultfd"));
        }
    }

    private static String target(Path link) {
        try {
            return Files.readSymbolicLink(link).toString();
        } catch (IOException _) {
            return ""; // closed since it was listed
        }
    }
}
