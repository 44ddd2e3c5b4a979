package dev.wrenn.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.host.HostCapsule;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.contract.host.HostTemplate;
import dev.wrenn.contract.host.ProcessDefaults;
import java.util.ArrayList;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Templates that are disks, on real VMs. */
@Tag("vm")
@ExtendWith(LabExtension.class)
class TemplateVmTest {
    private static final String STATE =
            """
            cat /srv/edition /run/pid; echo x > /run/ask; cat /run/answer
            sha256sum /srv/old /srv/mine /dev/shm/mine
            """;

    private static HostLab lab;

    @BeforeAll
    static void open(HostLab shared) {
        lab = shared;
    }

    /** A program that keeps something in its memory alone, and files of the capsule's own. */
    private static String remembering(int number) {
        return """
        echo %d > /srv/mine; head -c 1000000 /dev/urandom > /dev/shm/mine
        mkfifo /run/ask /run/answer
        (drawn=$(head -c 16 /dev/urandom | sha256sum)
         while read -r _ < /run/ask; do echo "$drawn" > /run/answer; done) >/dev/null 2>&1 &
        echo $! > /run/pid
        """
                .formatted(number);
    }

    private static TemplateId templateWith(String script) {
        var template = TemplateId.random();
        var capsule = lab.create(TemplateId.MINIMAL);
        lab.run(capsule, script);
        lab.host().createDiskTemplate(capsule, template);
        return template;
    }

    @Test
    void a_disk_is_kept_whole_although_programs_were_writing_to_it() {
        // Gap D19: a killed guest leaves what its page cache held, or half of it.
        var template = TemplateId.random();
        var capsule = lab.create(TemplateId.MINIMAL);
        lab.run(
                capsule,
                "head -c 8000000 /dev/urandom > /srv/made; sha256sum /srv/made > /srv/sum;"
                        + " (while :; do date >> /srv/log; done) >/dev/null 2>&1 &");

        var made = lab.host().createDiskTemplate(capsule, template);

        assertThat(made.isSnapshot()).isFalse();
        assertThat(made.sizeBytes()).isGreaterThan(100L << 20);
        assertThat(lab.host().templates()).extracting(HostTemplate::template).contains(template);
        assertThat(lab.host().inventory()).extracting(HostCapsule::capsule).doesNotContain(capsule);
        var next = lab.create(template);
        assertThat(lab.run(next, "sha256sum -c /srv/sum")).contains("/srv/made: OK");
        assertThat(lab.run(next, "cat /proc/mounts")).contains("/dev/vda / ext4 rw");
        lab.host().destroy(next);
        lab.host().deleteTemplate(template);
    }

    @Test
    void user_directory_and_variables_of_a_template_reach_every_process_and_last() {
        var defaults =
                new ProcessDefaults(
                        Map.of("COLOUR", "green"), Optional.of("user"), Optional.of("/srv"));
        var capsule = lab.create(TemplateId.MINIMAL, defaults);
        var script = "id -un; pwd; echo $COLOUR";

        assertThat(lab.run(capsule, script)).isEqualTo("user\n/srv\ngreen\n");

        lab.host().pause(capsule);
        lab.host().resume(capsule);
        assertThat(lab.run(capsule, script)).isEqualTo("user\n/srv\ngreen\n");
        lab.host().destroy(capsule);
    }

    @Test
    void a_user_may_be_a_number_that_no_file_knows() {
        var defaults = new ProcessDefaults(Map.of(), Optional.of("65532:7"), Optional.empty());
        var capsule = lab.create(TemplateId.MINIMAL, defaults);

        assertThat(lab.run(capsule, "id -u; id -g; pwd")).isEqualTo("65532\n7\n/\n");
        lab.host().destroy(capsule);
    }

    @Test
    void paused_capsules_resume_unchanged_after_their_template_is_deleted_and_made_anew() {
        // Gaps D7, D8.
        var old = templateWith("echo old > /srv/edition; head -c 4000000 /dev/urandom > /srv/old");
        var capsules = new ArrayList<CapsuleId>();
        var states = new ArrayList<String>();
        for (int i = 0; i < 5; i++) {
            var capsule = lab.create(old);
            lab.run(capsule, remembering(i));
            states.add(lab.run(capsule, STATE));
            lab.host().pause(capsule);
            capsules.add(capsule);
        }
        assertThat(states).doesNotHaveDuplicates();

        lab.host().deleteTemplate(old);
        var rebuilt = templateWith("echo new > /srv/edition");

        for (int i = 0; i < 5; i++) {
            var capsule = capsules.get(i);
            assertThat(lab.host().resume(capsule).state()).isEqualTo(HostState.RUNNING);
            assertThat(lab.run(capsule, STATE)).isEqualTo(states.get(i)).contains("old");
            lab.host().destroy(capsule);
        }
        assertThatThrownBy(() -> lab.create(old))
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.ABSENT));
        var fresh = lab.create(rebuilt);
        assertThat(lab.run(fresh, "cat /srv/edition")).isEqualTo("new\n");
        lab.host().destroy(fresh);
        lab.host().deleteTemplate(rebuilt);
    }
}
