package dev.wrenn.host.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpServer;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Progress;
import dev.wrenn.base.WrennException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayNameGeneration(ReplaceUnderscores.class)
final class FirecrackerReleaseTest {
    @TempDir Path folder;
    private final List<String> asked = new CopyOnWriteArrayList<>();
    private HttpServer server;
    private byte[] archive;

    @BeforeEach
    void serve() throws IOException {
        archive =
                archive(
                        "release-v1.16.1-x86_64/firecracker-v1.16.1-x86_64",
                        "release-v1.16.1-x86_64/jailer-v1.16.1-x86_64",
                        "release-v1.16.1-x86_64/../../escape",
                        "release-v1.16.1-x86_64/firecracker-v1.16.1-x86_64.debug");
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext(
                "/v1.16.1/firecracker-v1.16.1-x86_64.tgz",
                exchange -> {
                    asked.add(exchange.getRequestURI().getPath());
                    exchange.getResponseHeaders().add("Location", "/file");
                    exchange.sendResponseHeaders(302, -1);
                    exchange.close();
                });
        server.createContext(
                "/file",
                exchange -> {
                    exchange.sendResponseHeaders(200, archive.length);
                    exchange.getResponseBody().write(archive);
                    exchange.close();
                });
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private static byte[] archive(String... names) throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (var tar = new TarArchiveOutputStream(new GZIPOutputStream(bytes))) {
            for (var name : names) {
                var content = ("program " + name).getBytes(StandardCharsets.UTF_8);
                var entry = new TarArchiveEntry(name);
                entry.setSize(content.length);
                tar.putArchiveEntry(entry);
                tar.write(content);
                tar.closeArchiveEntry();
            }
        }
        return bytes.toByteArray();
    }

    private String sha256() throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(archive));
    }

    private FirecrackerRelease release(String version, String sha256) {
        return release(version, Optional.of(sha256));
    }

    private FirecrackerRelease release(String version, Optional<String> sha256) {
        var address = server.getAddress();
        return new FirecrackerRelease(
                version, sha256, URI.create("http://127.0.0.1:" + address.getPort()));
    }

    private void publish(String text) {
        server.createContext(
                "/v1.16.1/firecracker-v1.16.1-x86_64.tgz.sha256.txt",
                exchange -> {
                    var bytes = text.getBytes(StandardCharsets.US_ASCII);
                    exchange.sendResponseHeaders(200, bytes.length);
                    exchange.getResponseBody().write(bytes);
                    exchange.close();
                });
    }

    @Test
    void without_a_checksum_the_published_one_holds() throws Exception {
        publish(sha256() + "  firecracker-v1.16.1-x86_64.tgz\n");

        release("1.16.1", Optional.empty()).install(folder, Progress.silent());
        release("1.16.1", Optional.empty()).install(folder, Progress.silent());
        release("1.16.1", sha256()).install(folder, Progress.silent());

        assertThat(folder.resolve("firecracker/jailer")).isExecutable();
        assertThat(asked).as("fetched once").hasSize(1);
    }

    @Test
    void an_archive_that_is_not_what_was_published_is_not_unpacked() {
        publish("0".repeat(64) + "  firecracker-v1.16.1-x86_64.tgz\n");

        assertThatThrownBy(() ->
                        release("1.16.1", Optional.empty()).install(folder, Progress.silent()))
                .hasMessageContaining("instead of 000");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void what_is_published_but_no_checksum_is_refused_with_what_to_do() {
        publish("<html>Sorry!</html>");

        assertThatThrownBy(() ->
                        release("1.16.1", Optional.empty()).install(folder, Progress.silent()))
                .hasMessageContaining("--firecracker-sha256 HEX");
        assertThat(asked).isEmpty();
    }

    @Test
    void both_programs_are_installed_and_nothing_else() throws Exception {
        release("1.16.1", sha256()).install(folder, Progress.silent());

        var installed = folder.resolve("firecracker");
        assertThat(installed.resolve("firecracker"))
                .isExecutable()
                .hasContent("program release-v1.16.1-x86_64/firecracker-v1.16.1-x86_64");
        assertThat(installed.resolve("jailer")).isExecutable();
        try (var files = Files.list(installed)) {
            assertThat(files).hasSize(3);
        }
        try (var files = Files.list(folder)) {
            assertThat(files).containsExactly(installed);
        }
    }

    @Test
    void a_release_that_is_there_is_not_fetched_again_and_another_one_replaces_it()
            throws Exception {
        release("1.16.1", sha256()).install(folder, Progress.silent());
        release("1.16.1", sha256()).install(folder, Progress.silent());
        assertThat(asked).hasSize(1);

        archive = archive("firecracker-v1.16.1-x86_64", "jailer-v1.16.1-x86_64");
        release("1.16.1", sha256()).install(folder, Progress.silent());

        assertThat(asked).hasSize(2);
        assertThat(folder.resolve("firecracker/jailer"))
                .hasContent("program jailer-v1.16.1-x86_64");
    }

    @Test
    void an_archive_with_another_checksum_is_not_unpacked() throws IOException {
        assertThatThrownBy(
                        () -> release("1.16.1", "0".repeat(64)).install(folder, Progress.silent()))
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.CORRUPT))
                .hasMessageContaining("instead of 000");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void an_archive_without_a_program_is_refused_and_leaves_nothing() throws Exception {
        archive = archive("release-v1.16.1-x86_64/firecracker-v1.16.1-x86_64");

        assertThatThrownBy(() -> release("1.16.1", sha256()).install(folder, Progress.silent()))
                .isInstanceOf(GuestImageFailed.class)
                .hasMessageContaining("jailer-v1.16.1-x86_64");
        assertThat(folder.resolve("firecracker")).doesNotExist();
    }

    @Test
    void a_version_that_does_not_exist_says_where_it_was_looked_for() {
        assertThatThrownBy(
                        () -> release("9.9.9", "0".repeat(64)).install(folder, Progress.silent()))
                .isInstanceOf(GuestImageFailed.class)
                .hasMessageContaining("/v9.9.9/firecracker-v9.9.9-x86_64.tgz answers with status");
    }

    @Test
    void what_is_no_version_or_no_checksum_is_refused() {
        assertThatThrownBy(() -> release("../1", "0".repeat(64)))
                .isInstanceOf(WrennException.class)
                .hasMessageContaining("1.16.1");
        assertThatThrownBy(() -> release("1.16.1", "latest"))
                .isInstanceOf(WrennException.class)
                .hasMessageContaining("64 hex digits");
    }
}
