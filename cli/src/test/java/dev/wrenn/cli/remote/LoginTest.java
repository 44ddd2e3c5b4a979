package dev.wrenn.cli.remote;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.folder.ApiKeyFile;
import dev.wrenn.cli.folder.DataFolder;
import dev.wrenn.cli.folder.ServerRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** Which server and key a command uses. */
class LoginTest {
    private static final String LOCAL_KEY = "wrn_" + "0".repeat(32);

    @TempDir Path home;
    private final Map<String, String> environment = new HashMap<>();

    @BeforeEach
    void setHome() {
        environment.put("HOME", home.toString());
    }

    private Login login(String... flags) {
        var options = new RemoteOptions();
        new CommandLine(new Holder(options)).parseArgs(flags);
        return options.login(environment);
    }

    @CommandLine.Command
    private record Holder(@CommandLine.Mixin RemoteOptions options) {}

    private void stored(String url, String key) {
        new Login(url, new Secret(key)).write(Login.file(environment));
    }

    private Path serving() {
        var folder = DataFolder.open(home.resolve("data"));
        ServerRecord.ofThisProcess()
                .serving("http://127.0.0.1:1", "a VMM")
                .write(folder.serverRecord());
        ApiKeyFile.write(folder.apiKey(), new Secret(LOCAL_KEY));
        return folder.path();
    }

    @Test
    void a_login_is_readable_by_its_owner_alone_and_read_back() throws IOException {
        stored("http://a", "wrn_a");

        var file = home.resolve(".config/wrenn/login.json");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
        assertThat(login().baseUrl()).isEqualTo("http://a");
        assertThat(login().key().reveal()).isEqualTo("wrn_a");
    }

    @Test
    void the_environment_wins_over_a_login_and_a_flag_over_both() {
        stored("http://a", "wrn_a");
        environment.put("WRENN_BASE_URL", "http://b/");
        environment.put("WRENN_API_KEY", "wrn_b");

        assertThat(login().baseUrl()).isEqualTo("http://b");
        assertThat(login("--url", "http://c").baseUrl()).isEqualTo("http://c");
        assertThat(login("--url", "http://c").key().reveal()).isEqualTo("wrn_b");
    }

    @Test
    void a_key_is_only_sent_to_the_server_it_was_kept_for() {
        stored("http://a", "wrn_a");

        assertThat(login("--url", "http://a/").key().reveal()).isEqualTo("wrn_a");
        assertThatThrownBy(() -> login("--url", "http://b"))
                .isInstanceOf(WrennException.class)
                .hasMessageContaining("http://b")
                .hasMessageContaining("auth login");
    }

    @Test
    void the_server_of_a_data_folder_is_found_by_its_record() {
        var folder = serving();
        stored("http://a", "wrn_a");

        assertThat(login("--dir", folder.toString()).baseUrl()).isEqualTo("http://127.0.0.1:1");
        assertThat(login("--dir", folder.toString()).key().reveal()).isEqualTo(LOCAL_KEY);
        environment.put("WRENN_DIR", folder.toString());
        assertThat(login().baseUrl()).isEqualTo("http://127.0.0.1:1");
    }

    @Test
    void without_a_server_it_says_how_to_get_one() {
        assertThatThrownBy(() -> login("--dir", home.resolve("none").toString()))
                .hasMessageContaining("wrenn up");
    }

    @Test
    void what_is_no_url_is_refused() {
        assertThatThrownBy(() -> login("--url", "localhost:8080"))
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.INVALID));
    }
}
