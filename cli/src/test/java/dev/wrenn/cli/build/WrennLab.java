package dev.wrenn.cli.build;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.base.Progress;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Secret;
import dev.wrenn.base.UndoStack;
import dev.wrenn.control.ControlPlane;
import dev.wrenn.control.Database;
import dev.wrenn.control.capsule.ControlConfig;
import dev.wrenn.host.Host;
import dev.wrenn.host.capsule.HostConfig;
import dev.wrenn.server.EmbeddedDatabase;
import dev.wrenn.testkit.Eventually;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** A whole Wrenn with real VMs in this process, used over HTTP as clients do. */
final class WrennLab implements Resource {
    static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration BUILD_LIMIT = Duration.ofMinutes(10);

    private final HttpClient http = HttpClient.newHttpClient();
    private final Host host;
    private final Database database;
    private final ControlPlane control;
    private final Secret key;
    private final UndoStack teardown;

    private WrennLab(
            Host host, Database database, ControlPlane control, Secret key, UndoStack teardown) {
        this.host = host;
        this.database = database;
        this.control = control;
        this.key = key;
        this.teardown = teardown;
    }

    static WrennLab open(Path folder) throws IOException {
        return open(folder, Set.of());
    }

    static WrennLab open(Path folder, Set<String> privateRegistries) throws IOException {
        var cache = Optional.ofNullable(System.getenv("WRENN_TEST_CACHE"));
        if (cache.isPresent()) {
            var images = Files.createDirectories(Path.of(cache.get()).resolve("images"));
            Files.createSymbolicLink(folder.resolve("images"), images);
        }
        var guest = System.getenv("WRENN_GUEST_DIR");
        assertThat(guest).as("WRENN_GUEST_DIR: folder of the built guest programs").isNotNull();
        try (var undo = new UndoStack()) {
            var embedded = undo.hold(EmbeddedDatabase.open(folder.resolve("postgres")));
            var database = undo.hold(Database.open(embedded.address()));
            var host =
                    undo.hold(
                            Host.open(
                                    HostConfig.of(
                                                    folder,
                                                    Path.of(guest).resolve("libwrenn_uffd_shim.so"),
                                                    Path.of(guest).resolve("wrenn-guest-agent"))
                                            .withPrivateRegistries(privateRegistries),
                                    Progress.silent()));
            undo.undo(() -> host.inventory().forEach(capsule -> host.destroy(capsule.capsule())));
            var control =
                    undo.hold(
                            ControlPlane.start(
                                    ControlConfig.DEFAULTS,
                                    database,
                                    host,
                                    InstantSource.system(),
                                    "127.0.0.1",
                                    0));
            var key = control.createKey("tests");
            return new WrennLab(host, database, control, key, undo.handOver());
        }
    }

    Host host() {
        return host;
    }

    Database database() {
        return database;
    }

    HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(
                        URI.create("http://127.0.0.1:" + control.port() + "/v1" + path))
                .header("X-API-Key", key.reveal());
    }

    HttpResponse<String> send(HttpRequest request) {
        try {
            return http.send(request, BodyHandlers.ofString());
        } catch (IOException e) {
            throw new AssertionError(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    JsonNode json(HttpResponse<String> response, int status) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        try {
            return JSON.readTree(response.body());
        } catch (IOException e) {
            throw new AssertionError(response.body(), e);
        }
    }

    JsonNode post(String path, ObjectNode body, int status) {
        return json(
                send(
                        request(path)
                                .header("Content-Type", "application/json")
                                .POST(BodyPublishers.ofString(body.toString()))
                                .build()),
                status);
    }

    JsonNode get(String path) {
        return json(send(request(path).GET().build()), 200);
    }

    void delete(String path) {
        assertThat(send(request(path).DELETE().build()).statusCode()).isEqualTo(204);
    }

    /** The lines of a stream, to its end. */
    List<String> lines(String path) {
        var response = send(request(path).GET().build());
        assertThat(response.statusCode()).isEqualTo(200);
        return response.body().lines().toList();
    }

    /** A build as it is sent. */
    static ObjectNode build(String name, String... recipe) {
        var body = JSON.createObjectNode();
        body.put("name", name);
        body.put("memory_mb", 256);
        body.put("skip_pre_post", true);
        var lines = body.putArray("recipe");
        for (var line : recipe) {
            lines.add(line);
        }
        return body;
    }

    /** Sends a build with files to copy from. */
    JsonNode postWithArchive(ObjectNode body, byte[] archive, int status) {
        var boundary = "----of-a-test";
        var form = new ByteArrayOutputStream();
        form.writeBytes(
                ("--%s\r\nContent-Disposition: form-data; name=\"config\"\r\n\r\n%s\r\n--%s\r\n"
                                + "Content-Disposition: form-data; name=\"archive\";"
                                + " filename=\"a\"\r\n"
                                + "Content-Type: application/octet-stream\r\n\r\n")
                        .formatted(boundary, body, boundary)
                        .getBytes(StandardCharsets.UTF_8));
        form.writeBytes(archive);
        form.writeBytes(("\r\n--" + boundary + "--\r\n").getBytes(StandardCharsets.UTF_8));
        return json(
                send(
                        request("/builds")
                                .header("Content-Type", "multipart/form-data; boundary=" + boundary)
                                .POST(BodyPublishers.ofByteArray(form.toByteArray()))
                                .build()),
                status);
    }

    /** The build once it has ended. */
    JsonNode ended(JsonNode build) {
        var path = "/builds/" + build.path("id").asText();
        Eventually.within(
                BUILD_LIMIT,
                () ->
                        List.of("success", "failed", "cancelled")
                                .contains(get(path).path("status").asText()));
        return get(path);
    }

    /** The build, which must have succeeded. */
    JsonNode succeeded(JsonNode build) {
        var ended = ended(build);
        assertThat(ended.path("status").asText()).as(ended.toPrettyString()).isEqualTo("success");
        return ended;
    }

    /** Id of a new capsule. */
    String create(String template) {
        var body = JSON.createObjectNode().put("template", template).put("memory_mb", 256);
        return post("/capsules", body, 201).path("id").asText();
    }

    /** What a shell script prints in a capsule; it must succeed. */
    String run(String capsule, String script) {
        var body = JSON.createObjectNode().put("cmd", "/bin/sh").put("timeout_sec", 60);
        body.putArray("args").add("-c").add(script);
        var result = post("/capsules/" + capsule + "/exec", body, 200);
        assertThat(result.path("exit_code").asInt(-2)).as(result.toPrettyString()).isZero();
        return result.path("stdout").asText();
    }

    @Override
    public void close() {
        teardown.close();
    }
}
