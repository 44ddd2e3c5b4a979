package dev.wrenn.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Command;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.testkit.Eventually;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A real capsule whose snapshot this machine has lost. */
@Tag("vm")
@Tag("root")
final class ArchiveVmTest {
    @Test
    void a_capsule_whose_snapshot_only_the_archive_has_resumes_where_it_left_off() {
        try (var lab = HostLab.withArchive()) {
            var capsule = lab.capsule();
            lab.write(capsule, "/root/on-disk", "on disk");
            lab.run(capsule, "echo in memory > /dev/shm/in-memory");

            lab.host().pause(capsule);

            Eventually.within(
                    HostLab.SOON,
                    "durable",
                    () -> "true".equals(lab.host().describe(capsule).versions().get("durable")));
            for (var name : new String[] {"snapshots", "layers"}) {
                empty(lab.store().resolve(name));
            }
            lab.host().resume(capsule);
            assertThat(lab.stateOf(capsule)).isEqualTo(HostState.RUNNING);
            assertThat(lab.shell(capsule, "cat /dev/shm/in-memory")).isEqualTo("in memory");
            assertThat(lab.shell(capsule, "cat /root/on-disk")).isEqualTo("on disk");

            lab.run(capsule, "echo changed > /dev/shm/in-memory");
            lab.host().pause(capsule);
            lab.host().resume(capsule);
            assertThat(lab.shell(capsule, "cat /dev/shm/in-memory")).isEqualTo("changed");
            lab.host().destroy(capsule);
        }
    }

    private static void empty(Path folder) {
        Command.of("find", folder.toString(), "-mindepth", "1", "-delete").run();
    }
}
