package dev.wrenn.host.image;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PipSettingsTest {
    @TempDir Path folder;

    private Path home;
    private Path etc;
    private Path work;

    @BeforeEach
    void folders() throws IOException {
        home = Files.createDirectory(folder.resolve("home"));
        etc = Files.createDirectory(folder.resolve("etc"));
        work = Files.createDirectory(folder.resolve("work"));
    }

    private void write(Map<String, String> environment) throws IOException {
        new PipSettings(environment, home, etc).writeTo(work);
    }

    private String written(String name) throws IOException {
        return Files.readString(work.resolve(name));
    }

    @Test
    void variables_say_how_the_registry_is_reached_and_nothing_about_this_machine()
            throws IOException {
        write(
                Map.of(
                        "PIP_INDEX_URL", "https://me:secret@mirror.example/simple",
                        "PIP_EXTRA_INDEX_URL", "https://a.example https://b.example",
                        "PIP_TARGET", "/opt/here",
                        "PIP_CACHE_DIR", "/var/cache/pip"));

        assertThat(written("pip.conf").lines())
                .contains(
                        "[global]",
                        "index-url = https://me:secret@mirror.example/simple",
                        "extra-index-url = https://a.example",
                        "    https://b.example");
        assertThat(written("pip.conf")).doesNotContain("target", "cache-dir");
    }

    @Test
    void files_of_machine_and_user_keep_their_order_of_precedence() throws IOException {
        Files.writeString(etc.resolve("pip.conf"), "[global]\nindex-url = https://machine\n");
        Files.createDirectories(home.resolve(".config/pip"));
        Files.writeString(home.resolve(".config/pip/pip.conf"), "[global]\ntimeout = 7\n");
        var named = Files.writeString(folder.resolve("named.conf"), "[install]\nretries = 9\n");

        write(Map.of("PIP_CONFIG_FILE", named.toString()));

        assertThat(written("xdg/pip/pip.conf")).contains("https://machine");
        assertThat(written("home/.config/pip/pip.conf")).contains("timeout = 7");
        assertThat(written("pip.conf")).contains("retries = 9");
    }

    @Test
    void certificates_that_a_company_needs_come_along() throws IOException {
        var ofFile = Files.writeString(folder.resolve("file.crt"), "of the file");
        var ofVariable = Files.writeString(folder.resolve("variable.crt"), "of the variable");
        Files.writeString(etc.resolve("pip.conf"), "[global]\ncert = " + ofFile + "\n");

        write(Map.of());
        assertThat(written("ca.crt")).isEqualTo("of the file");

        Files.delete(work.resolve("ca.crt"));
        write(Map.of("PIP_CERT", ofVariable.toString()));
        assertThat(written("ca.crt")).isEqualTo("of the variable");
    }
}
