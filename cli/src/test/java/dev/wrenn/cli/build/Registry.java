package dev.wrenn.cli.build;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.base.Resource;
import dev.wrenn.testkit.Eventually;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;

/** Debian's docker-registry on a loopback port, and how images get into it. */
final class Registry implements Resource {
    private static final Duration START_LIMIT = Duration.ofSeconds(30);
    private static final String MANIFEST = "application/vnd.oci.image.manifest.v1+json";
    private static final String CONFIG = "application/vnd.oci.image.config.v1+json";
    private static final String LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";

    private final HttpClient http = HttpClient.newHttpClient();
    private final Process process;
    private final int port;

    private Registry(Process process, int port) {
        this.process = process;
        this.port = port;
    }

    static Registry start(Path folder) throws IOException {
        int port;
        try (var free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        var config =
                Files.writeString(
                        folder.resolve("registry.yml"),
                        """
                        version: 0.1
                        log: {accesslog: {disabled: true}, level: error}
                        storage: {filesystem: {rootdirectory: %s}}
                        http: {addr: "127.0.0.1:%d"}
                        """
                                .formatted(folder.resolve("registry"), port));
        var process =
                new ProcessBuilder("docker-registry", "serve", config.toString())
                        .redirectErrorStream(true)
                        .redirectOutput(folder.resolve("registry.log").toFile())
                        .start();
        var registry = new Registry(process, port);
        Eventually.within(START_LIMIT, registry::answers);
        return registry;
    }

    private boolean answers() {
        try (var _ = new Socket(InetAddress.getLoopbackAddress(), port)) {
            return true;
        } catch (IOException _) {
            return false;
        }
    }

    String name() {
        return "127.0.0.1:" + port;
    }

    /**
     * Stores an image.
     *
     * @return its reference
     */
    String push(String name, ObjectNode config, List<byte[]> layers) throws Exception {
        var manifest = WrennLab.JSON.createObjectNode();
        manifest.put("schemaVersion", 2).put("mediaType", MANIFEST);
        describe(
                manifest.putObject("config"),
                CONFIG,
                blob(name, config.toString().getBytes(StandardCharsets.UTF_8)));
        var list = manifest.putArray("layers");
        for (var layer : layers) {
            describe(list.addObject(), LAYER, blob(name, layer));
        }
        var answer =
                http.send(
                        HttpRequest.newBuilder(uri("/v2/" + name + "/manifests/latest"))
                                .header("Content-Type", MANIFEST)
                                .PUT(BodyPublishers.ofString(manifest.toString()))
                                .build(),
                        BodyHandlers.ofString());
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(201);
        return name() + "/" + name + ":latest";
    }

    private record Stored(String digest, int size) {}

    private static void describe(ObjectNode into, String type, Stored blob) {
        into.put("mediaType", type).put("digest", blob.digest()).put("size", blob.size());
    }

    private Stored blob(String name, byte[] bytes) throws Exception {
        var begun =
                http.send(
                        HttpRequest.newBuilder(uri("/v2/" + name + "/blobs/uploads/"))
                                .POST(BodyPublishers.noBody())
                                .build(),
                        BodyHandlers.ofString());
        assertThat(begun.statusCode()).as(begun.body()).isEqualTo(202);
        var digest = "sha256:" + sha256(bytes);
        var location = begun.headers().firstValue("Location").orElseThrow();
        var put =
                http.send(
                        HttpRequest.newBuilder(URI.create(location + "&digest=" + digest))
                                .PUT(BodyPublishers.ofByteArray(bytes))
                                .build(),
                        BodyHandlers.ofString());
        assertThat(put.statusCode()).as(put.body()).isEqualTo(201);
        return new Stored(digest, bytes.length);
    }

    static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    private URI uri(String path) {
        return URI.create("http://" + name() + path);
    }

    @Override
    public void close() {
        process.destroy();
        process.onExit().join();
    }
}
