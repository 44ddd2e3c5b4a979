package dev.wrenn.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.ConfigInvalid;
import dev.wrenn.cli.folder.DataFolder;
import dev.wrenn.host.capsule.ArchiveConfig;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class WrennConfigTest {
    private static WrennConfig read(
            Map<String, String> flags, Map<String, String> environment, String file) {
        return WrennConfig.read(
                new DataFolder(Path.of("/data")),
                Path.of("/guest"),
                new WrennConfig.Sources(flags, environment, Optional.of(file)));
    }

    @Test
    void nothing_set_means_the_embedded_database_on_the_usual_address() {
        var config = read(Map.of(), Map.of(), "");

        assertThat(config.listen()).isEqualTo(ListenAddress.DEFAULT);
        assertThat(config.databaseUrl()).isEmpty();
    }

    @Test
    void limits_and_host_settings_reach_their_owners() {
        var config =
                read(
                        Map.of("limits.max-vcpus", "2"),
                        Map.of("WRENN_LIMITS_MAX_MEMORY", "2GiB"),
                        "[host]\npool-slots = 5\nboot-limit = 20s\n[limits]\nmax-timeout = 1h\n");

        assertThat(config.limits().maxVcpus()).isEqualTo(2);
        assertThat(config.limits().maxMemoryMb()).isEqualTo(2048);
        assertThat(config.limits().maxTimeoutSec()).isEqualTo(3600);
        assertThat(config.host().poolSlots()).isEqualTo(5);
        assertThat(config.host().bootLimit()).hasSeconds(20);
        assertThat(config.host().dataFolder()).isEqualTo(Path.of("/data"));
        assertThat(config.host().agent()).isEqualTo(Path.of("/guest/wrenn-guest-agent"));
    }

    @Test
    void an_archive_is_a_bucket_or_a_folder_or_nothing() {
        assertThat(read(Map.of(), Map.of(), "").host().archive()).isEmpty();
        var bucket =
                read(
                        Map.of(),
                        Map.of("WRENN_STORE_S3_SECRET_KEY", "hunter2"),
                        """
                        [store]
                        s3-bucket = capsules
                        s3-endpoint = http://127.0.0.1:9000
                        s3-key-id = me
                        durable-pause = true
                        keep-free = 5GiB
                        """);

        assertThat(bucket.host().archive())
                .hasValueSatisfying(a -> {
                    assertThat(a.isPauseDurable()).isTrue();
                    assertThat(a.keepFree().toMib()).isEqualTo(5 * 1024);
                    assertThat(a.masterKeys()).isEqualTo(Path.of("/data/master-keys"));
                    assertThat(a.place()).isInstanceOf(ArchiveConfig.Place.Bucket.class);
                });
        assertThat(bucket.toString()).doesNotContain("hunter2");
        assertThat(read(Map.of("store.folder", "/share"), Map.of(), "").host().archive())
                .hasValueSatisfying(a ->
                        assertThat(a.place())
                                .isEqualTo(new ArchiveConfig.Place.Folder(Path.of("/share"))));
        assertThatThrownBy(() ->
                        read(
                                Map.of(),
                                Map.of(),
                                """
                                [store]
                                folder = /share
                                s3-bucket = capsules
                                """))
                .hasMessageContaining("not both");
        assertThatThrownBy(() ->
                        read(
                                Map.of(),
                                Map.of(),
                                """
                                [store]
                                s3-bucket = capsules
                                s3-key-id = a
                                """))
                .hasMessageContaining("s3-secret-key");
    }

    @Test
    void what_the_owners_refuse_is_reported_with_everything_else() {
        assertThatThrownBy(() ->
                        read(
                                Map.of(),
                                Map.of(),
                                "[limits]\nmax-vcpus = 0\n[host]\npool-slots = 0\nx = 1\n"))
                .isInstanceOfSatisfying(
                        ConfigInvalid.class, e -> assertThat(e.problems()).hasSize(3))
                .hasMessageContaining("[limits]: max-vcpus");
    }

    @Test
    void the_environment_sets_what_the_command_line_leaves_open() {
        var environment =
                Map.of("WRENN_LISTEN", "0.0.0.0:1", "DATABASE_URL", "postgresql://u:p@h/d");

        assertThat(read(Map.of(), environment, "").listen().port()).isEqualTo(1);
        assertThat(read(Map.of("server.listen", "0.0.0.0:2"), environment, "").listen().port())
                .isEqualTo(2);
        assertThat(read(Map.of(), environment, "").databaseUrl().orElseThrow().reveal())
                .isEqualTo("postgresql://u:p@h/d");
    }

    @Test
    void the_database_s_password_is_not_among_the_values_shown() {
        var config = read(Map.of(), Map.of("DATABASE_URL", "postgresql://u:hunter2@h/d"), "");

        assertThat(config.toString()).doesNotContain("hunter2");
        assertThat(config.effective().values()).noneMatch(value -> value.contains("hunter2"));
    }

    @Test
    void a_misspelt_setting_is_refused_with_a_hint() {
        assertThatThrownBy(() -> read(Map.of(), Map.of(), "[server]\nlistn = 0.0.0.0:1\n"))
                .isInstanceOf(ConfigInvalid.class)
                .hasMessageContaining("did you mean server.listen?");
    }
}
