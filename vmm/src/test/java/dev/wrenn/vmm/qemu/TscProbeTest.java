package dev.wrenn.vmm.qemu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayNameGeneration(ReplaceUnderscores.class)
final class TscProbeTest {
    @TempDir Path folder;

    @Test
    void a_frequency_is_read() throws IOException {
        assertThat(TscProbe.khz(printing("2596134"))).isEqualTo(2_596_134);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "0", "-1", "fast", "99999", "20000001", "2596.134"})
    void what_no_counter_can_run_at_is_refused(String text) throws IOException {
        var program = printing(text);

        assertThatThrownBy(() -> TscProbe.khz(program)).isInstanceOf(WrennException.class);
    }

    private Path printing(String text) throws IOException {
        var file = Files.writeString(folder.resolve("tsc"), "#!/bin/sh\necho '" + text + "'\n");
        return Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
    }
}
