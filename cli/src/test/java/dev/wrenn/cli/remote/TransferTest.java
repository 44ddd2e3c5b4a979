package dev.wrenn.cli.remote;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Progress;
import dev.wrenn.base.Secret;
import dev.wrenn.cli.client.ApiClient;
import dev.wrenn.cli.client.ApiFailure;
import dev.wrenn.cli.client.Json;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Transfers over a server that breaks connections off. */
class TransferTest {
    private static final String ID = "cl-0000000000000000000000000";
    private static final String FILES = "/v1/capsules/" + ID + "/files/";
    private static final Progress.Step UNWATCHED = new Unwatched();

    @TempDir Path folder;
    private final byte[] content = new byte[1_500_000];
    private final AtomicInteger requests = new AtomicInteger();
    private final AtomicInteger sent = new AtomicInteger();
    private final List<JsonNode> noted = new CopyOnWriteArrayList<>();
    private final ByteArrayOutputStream arrived = new ByteArrayOutputStream();
    private HttpServer server;
    private ApiClient api;

    private static final class Unwatched implements Progress.Step {
        @Override
        public void advance(long units) {}

        @Override
        public void expect(long totalUnits) {}

        @Override
        public void done() {}

        @Override
        public void close() {}
    }

    @BeforeEach
    void start() throws IOException {
        new Random(7).nextBytes(content);
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext(FILES + "stream/read", this::read);
        server.createContext(FILES + "stream/write", this::write);
        server.createContext(FILES + "stat", this::stat);
        server.createContext(FILES + "chmod", this::note);
        server.createContext(FILES + "move", this::note);
        server.start();
        api = new ApiClient("http://127.0.0.1:" + server.getAddress().getPort(), new Secret("k"));
    }

    @AfterEach
    void stop() {
        api.close();
        server.stop(0);
    }

    /** Sends at most 500,000 bytes of what it announces, then breaks off. */
    private void read(HttpExchange exchange) throws IOException {
        requests.incrementAndGet();
        var order = Json.read(new String(exchange.getRequestBody().readAllBytes(), UTF_8));
        if (order.path("path").asText().equals("/missing")) {
            answer(
                    exchange,
                    404,
                    "{\"error\":{\"code\":\"not_found\",\"message\":\"no such file\"}}");
            return;
        }
        int offset = order.path("offset").asInt();
        boolean isUnannounced = order.path("path").asText().equals("/short");
        exchange.sendResponseHeaders(200, isUnannounced ? 0 : content.length - offset);
        int end = Math.min(content.length, offset + 500_000);
        exchange.getResponseBody().write(content, offset, end - offset);
        exchange.getResponseBody().flush();
        exchange.close();
    }

    /** Takes the whole form, but the first time keeps a part of the file only and fails. */
    private void write(HttpExchange exchange) throws IOException {
        var form = exchange.getRequestBody().readAllBytes();
        var text = new String(form, StandardCharsets.ISO_8859_1);
        int offset = Integer.parseInt(between(text, "name=\"offset\"\r\n\r\n", "\r\n"));
        int begin = text.indexOf("octet-stream\r\n\r\n") + "octet-stream\r\n\r\n".length();
        var file = Arrays.copyOfRange(form, begin, text.lastIndexOf("\r\n--"));
        var kept = Arrays.copyOf(arrived.toByteArray(), offset);
        arrived.reset();
        arrived.writeBytes(kept);
        sent.addAndGet(file.length);
        if (requests.incrementAndGet() == 1 && kept.length == 0) {
            arrived.write(file, 0, 120_000);
            exchange.close(); // without an answer
            return;
        }
        arrived.writeBytes(file);
        exchange.sendResponseHeaders(204, -1);
        exchange.close();
    }

    private static String between(String text, String before, String after) {
        int begin = text.indexOf(before) + before.length();
        return text.substring(begin, text.indexOf(after, begin));
    }

    private void stat(HttpExchange exchange) throws IOException {
        exchange.getRequestBody().readAllBytes();
        answer(exchange, 200, Json.line(Map.of("entry", Map.of("size", arrived.size()))));
    }

    private void note(HttpExchange exchange) throws IOException {
        noted.add(Json.read(new String(exchange.getRequestBody().readAllBytes(), UTF_8)));
        answer(exchange, 200, "{}");
    }

    private static void answer(HttpExchange exchange, int status, String json) throws IOException {
        var body = json.getBytes(UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    private JsonNode entry(String path) {
        return Json.read(
                Json.line(
                        Map.of(
                                "path",
                                path,
                                "size",
                                content.length,
                                "modified_at",
                                1_700_000_000,
                                "mode",
                                0100640)));
    }

    @Test
    void a_download_that_breaks_off_goes_on_where_it_was() throws IOException {
        var place = folder.resolve("got");

        long bytes = new Transfer(api, ID).download(entry("/big"), place, UNWATCHED);

        assertThat(bytes).isEqualTo(content.length);
        assertThat(Files.readAllBytes(place)).isEqualTo(content);
        assertThat(requests).hasValueGreaterThanOrEqualTo(3);
        try (var files = Files.list(folder)) {
            assertThat(files).containsExactly(place);
        }
    }

    @Test
    void a_download_of_an_earlier_command_goes_on_too() throws IOException {
        var part = folder.resolve(".got.%d-1700000000.part".formatted(content.length));
        Files.write(part, Arrays.copyOf(content, 1_250_000));

        new Transfer(api, ID).download(entry("/big"), folder.resolve("got"), UNWATCHED);

        assertThat(Files.readAllBytes(folder.resolve("got"))).isEqualTo(content);
        assertThat(requests).hasValue(1);
    }

    @Test
    void what_the_server_refuses_is_not_tried_again() {
        assertThatThrownBy(() ->
                        new Transfer(api, ID)
                                .download(entry("/missing"), folder.resolve("got"), UNWATCHED))
                .isInstanceOfSatisfying(
                        ApiFailure.class,
                        e -> {
                            assertThat(e.kind()).isEqualTo(Kind.ABSENT);
                            assertThat(e.exitCode()).isEqualTo(4);
                        })
                .hasMessage("no such file");
        assertThat(requests).hasValue(1);
        assertThat(folder.resolve("got")).doesNotExist();
    }

    @Test
    void a_download_that_ends_early_without_an_error_goes_on_too() throws IOException {
        var place = folder.resolve("got");

        new Transfer(api, ID).download(entry("/short"), place, UNWATCHED);

        assertThat(Files.readAllBytes(place)).isEqualTo(content);
    }

    @Test
    void a_download_takes_the_permissions_along() throws IOException {
        var place = folder.resolve("got");

        new Transfer(api, ID).download(entry("/big"), place, UNWATCHED);

        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(place)))
                .isEqualTo("rw-r-----");
    }

    @Test
    void an_upload_that_breaks_off_sends_only_what_is_missing() throws IOException {
        var file = Files.write(folder.resolve("here"), content);

        new Transfer(api, ID).upload(file, "/there", UNWATCHED);

        assertThat(arrived.toByteArray()).isEqualTo(content);
        assertThat(requests).hasValue(2);
        assertThat(sent).hasValue(content.length + content.length - 120_000);
    }

    @Test
    void an_upload_of_an_earlier_command_goes_on_too() throws IOException {
        var file = Files.write(folder.resolve("here"), content);
        arrived.write(content, 0, 1_000_000);

        new Transfer(api, ID).upload(file, "/there", UNWATCHED);

        assertThat(arrived.toByteArray()).isEqualTo(content);
        assertThat(sent).hasValue(500_000);
    }

    @Test
    void an_upload_replaces_the_target_when_all_is_there_with_its_permissions() throws IOException {
        var file = Files.write(folder.resolve("here"), content);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-x--x"));
        long time = Files.getLastModifiedTime(file).toMillis();
        var part = "/srv/.there.%d-%d.part".formatted(content.length, time);

        new Transfer(api, ID).upload(file, "/srv/there", UNWATCHED);

        assertThat(noted)
                .containsExactly(
                        Json.read(Json.line(Map.of("path", part, "mode", 0751))),
                        Json.read(Json.line(Map.of("source", part, "destination", "/srv/there"))));
    }
}
