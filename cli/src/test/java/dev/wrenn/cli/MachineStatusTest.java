package dev.wrenn.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.cli.client.Json;
import org.junit.jupiter.api.Test;

/** What people read of a server's numbers. */
class MachineStatusTest {
    @Test
    void numbers_come_in_units_and_warnings_last() {
        var status =
                new MachineStatus(
                        Json.read(
                                """
                                {"disk": {"total_bytes": 107374182400, "free_bytes": 1572864000,
                                          "reserve_bytes": 1073741824, "unsaved_bytes": 52428800},
                                 "memory": {"available_bytes": 2147483648, "promised_bytes": 1073741824,
                                            "promisable_bytes": 4294967296},
                                 "snapshots": {"count": 7, "layers": 9, "layer_bytes": 209715200,
                                               "live_bytes": 104857600, "amplification": 2.0},
                                 "warnings": ["the disk fills up: 1500 MiB are left"]}
                                """));

        assertThat(status.warnings()).containsExactly("the disk fills up: 1500 MiB are left");
        assertThat(status.lines())
                .hasSize(4)
                .last()
                .isEqualTo("Warning: the disk fills up: 1500 MiB are left.");
        assertThat(status.lines().getFirst())
                .contains("1500.0 MiB of 102400.0 MiB free", "takes 50.0 MiB");
        assertThat(status.lines().get(2)).contains("7, memory in 9 layers", "amplification 2.00");
    }
}
