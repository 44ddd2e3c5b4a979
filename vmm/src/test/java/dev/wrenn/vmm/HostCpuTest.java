package dev.wrenn.vmm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;

@DisplayNameGeneration(ReplaceUnderscores.class)
final class HostCpuTest {
    @Test
    void the_first_processor_names_the_machine() {
        var lines =
                List.of(
                        "processor\t: 0",
                        "vendor_id\t: AuthenticAMD",
                        "cpu family\t: 23",
                        "model\t\t: 1",
                        "model name\t: AMD EPYC Processor: special",
                        "stepping\t: 2",
                        "",
                        "processor\t: 1",
                        "model\t\t: 7");

        assertThat(HostCpu.name(lines)).isEqualTo("AuthenticAMD-23-1-2");
    }

    @Test
    void what_linux_does_not_say_is_left_open() {
        assertThat(HostCpu.name(List.of("cpu family : 6"))).isEqualTo("?-6-?-?");
        assertThat(HostCpu.name()).doesNotStartWith("?");
    }
}
