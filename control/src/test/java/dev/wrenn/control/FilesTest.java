package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Kind;
import dev.wrenn.simhost.FailPoint;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Files: §3.7 and §3.8 of the API contract. */
class FilesTest {
    private static final String BOUNDARY = "0123456789abcdef0123456789abcdef";

    @RegisterExtension private static final ControlRig RIG = new ControlRig();

    private Api client;
    private String files;

    @BeforeEach
    void start() {
        client = RIG.newClient();
        files = "/v1/capsules/" + client.create() + "/files";
    }

    @AfterEach
    void lets_pass_again() {
        for (var point : FailPoint.values()) {
            RIG.host().failPoints().clear(point);
        }
    }

    private static String pathPart(String path) {
        return """
        --%s\r
        Content-Disposition: form-data; name="path"\r
        \r
        %s\r
        """
                .formatted(BOUNDARY, path);
    }

    private static String filePart(String content) {
        return """
        --%s\r
        Content-Disposition: form-data; name="file"; filename="upload"\r
        Content-Type: application/octet-stream\r
        \r
        %s\r
        """
                .formatted(BOUNDARY, content);
    }

    private Api.Answer form(String route, String body) {
        return client.send(
                "POST",
                files + route,
                BodyPublishers.ofString(body),
                Map.of("Content-Type", "multipart/form-data; boundary=" + BOUNDARY));
    }

    private Api.Answer write(String path, String content) {
        return form("/write", pathPart(path) + filePart(content) + "--" + BOUNDARY + "--\r\n");
    }

    private static String json(String path) {
        return Api.JSON.createObjectNode().put("path", path).toString();
    }

    private Api.Answer read(String path) {
        return client.post(files + "/read", json(path));
    }

    @ParameterizedTest
    @ValueSource(strings = {"/write", "/stream/write"})
    void what_was_written_is_read_by_either_route(String route) {
        form(
                        route,
                        pathPart("/tmp/a/b/note")
                                + filePart("tweet\r\n--x")
                                + "--"
                                + BOUNDARY
                                + "--\r\n")
                .is(204);

        for (var reading : new String[] {"/read", "/stream/read"}) {
            var answer = client.post(files + reading, json("/tmp/a/b/note"));
            assertThat(answer.status()).isEqualTo(200);
            assertThat(answer.header("Content-Type")).isEqualTo("application/octet-stream");
            assertThat(answer.text()).isEqualTo("tweet\r\n--x");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"/write", "/stream/write"})
    void the_parts_may_come_in_any_order(String route) {
        form(route, filePart("late path") + pathPart("/tmp/late") + "--" + BOUNDARY + "--\r\n")
                .is(204);

        assertThat(read("/tmp/late").text()).isEqualTo("late path");
    }

    @Test
    void a_file_may_be_empty_and_is_replaced_whole() {
        write("/tmp/file", "long content").is(204);
        write("/tmp/file", "").is(204);

        assertThat(read("/tmp/file").bytes()).isEmpty();
    }

    @Test
    void a_path_may_be_relative_to_home_or_strange() {
        for (var path :
                new String[] {"note", "~/other", "/tmp/with space", "/tmp/a\"b", "/tmp/%41"}) {
            write(path, path).is(204);
            assertThat(read(path).text()).isEqualTo(path);
        }
        assertThat(read("/root/note").text()).isEqualTo("note");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/write", "/stream/write"})
    void a_form_without_its_fields_and_no_form_at_all_are_bad_requests(String route) {
        var end = "--" + BOUNDARY + "--\r\n";

        form(route, pathPart("/tmp/x") + end).fails(400, "invalid_request");
        form(route, filePart("x") + end).fails(400, "invalid_request");
        form(route, pathPart("") + filePart("x") + end).fails(400, "invalid_request");
        form(route, end).fails(400, "invalid_request");
        form(route, "").fails(400, "invalid_request");
        form(route, "no parts").fails(400, "invalid_request");
        form(route, pathPart("/tmp/x") + filePart("cut")).fails(400, "invalid_request");
        client.post(files + route, "{}").fails(400, "invalid_request");
        client.send(
                        "POST",
                        files + route,
                        BodyPublishers.ofString("x"),
                        Map.of("Content-Type", "multipart/form-data"))
                .fails(400, "invalid_request");
        client.post(files + "/stat", json("/tmp/x")).fails(404, "not_found");
    }

    @Test
    void a_file_over_a_hundred_megabytes_wants_the_streaming_route() {
        var empty = pathPart("/tmp/big") + filePart("");
        var head = empty.substring(0, empty.length() - 2);
        var tail = "\r\n--" + BOUNDARY + "--\r\n";
        long size = (100L << 20) + 1;
        var type = Map.of("Content-Type", "multipart/form-data; boundary=" + BOUNDARY);

        var refused =
                client.send(
                        "POST",
                        files + "/write",
                        BodyPublishers.fromPublisher(
                                chunked(head, size, tail), head.length() + size + tail.length()),
                        type);
        assertThat(refused.fails(413, "too_large")).contains("stream/write");
        client.send("POST", files + "/write", chunked(head, size, tail), type)
                .fails(413, "too_large");
        client.send("POST", files + "/stream/write", chunked(head, size, tail), type).is(204);

        var entry = client.post(files + "/stat", json("/tmp/big")).is(200).path("entry");
        assertThat(entry.path("size").asLong()).isEqualTo(size);
        client.post(files + "/remove", json("/tmp/big")).is(204);
    }

    /** A body of unknown length, as the SDK sends it. */
    private static java.net.http.HttpRequest.BodyPublisher chunked(
            String head, long zeros, String tail) {
        return BodyPublishers.ofInputStream(() ->
                new SequenceInputStream(
                        new SequenceInputStream(text(head), new Zeros(zeros)), text(tail)));
    }

    private static InputStream text(String text) {
        return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
    }

    private static final class Zeros extends InputStream {
        private long left;

        Zeros(long count) {
            this.left = count;
        }

        @Override
        public int read() {
            return left-- > 0 ? 0 : -1;
        }

        @Override
        public int read(byte[] buffer, int offset, int length) {
            if (left <= 0) {
                return -1;
            }
            int n = (int) Math.min(left, length);
            Arrays.fill(buffer, offset, offset + n, (byte) 0);
            left -= n;
            return n;
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"/read", "/stream/read"})
    void what_cannot_be_read_has_a_status(String route) {
        client.post(files + route, json("/tmp/missing")).fails(404, "not_found");
        client.post(files + route, json("/no/folder/at/all")).fails(404, "not_found");
        client.post(files + route, json("/tmp")).fails(400, "invalid_request");
        client.post(files + route, json("")).fails(400, "invalid_request");
        client.post(files + route, "{}").fails(400, "invalid_request");
        client.post(files + route, json("/tmp/a\0b")).fails(400, "invalid_request");
        client.post(files + route, json("/tmp/" + "n".repeat(4_096))).fails(400, "invalid_request");
    }

    @ParameterizedTest
    @CsvSource({"0,,0123456789", "4,,456789", "4,3,456", "0,0,''", "8,100,89"})
    void a_range_of_a_file_is_read_alone(long offset, Long length, String expected) {
        write("/tmp/digits", "0123456789").is(204);
        var body = Api.JSON.createObjectNode().put("path", "/tmp/digits").put("offset", offset);
        if (length != null) {
            body.put("length", length);
        }

        var answer = client.post(files + "/read", body.toString());

        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.text()).isEqualTo(expected);
        assertThat(answer.header("Content-Length")).isEqualTo(Integer.toString(expected.length()));
    }

    @ParameterizedTest
    @CsvSource({"-1,0", "0,-1", "10,0", "11,1"})
    void a_range_that_no_file_has_is_a_bad_request(long offset, long length) {
        write("/tmp/digits", "0123456789").is(204);

        client.post(
                        files + "/read",
                        Api.JSON
                                .createObjectNode()
                                .put("path", "/tmp/digits")
                                .put("offset", offset)
                                .put("length", length)
                                .toString())
                .fails(400, "invalid_request");
    }

    @Test
    void a_transfer_that_breaks_off_does_not_look_whole() {
        write("/tmp/file", "x".repeat(500_000)).is(204);
        RIG.host().failPoints().fail(FailPoint.READ_FILE, Kind.UNAVAILABLE, "the guest is gone");

        assertThatThrownBy(() -> read("/tmp/file").is(200)).isNotNull();
    }

    @Test
    void a_full_disk_is_said_to_be_full() {
        RIG.host().failPoints().failOnce(FailPoint.WRITE_FILE, Kind.EXHAUSTED, "the disk is full");

        assertThat(write("/tmp/file", "x").fails(507, "disk_full")).contains("full");
    }

    @Test
    void a_listing_is_sorted_and_as_deep_as_asked() {
        write("/tmp/tree/b/c/d", "").is(204);
        write("/tmp/tree/a", "xyz").is(204);

        assertThat(paths(list("/tmp/tree", ""))).containsExactly("/tmp/tree/a", "/tmp/tree/b");
        assertThat(paths(list("/tmp/tree", ",\"depth\":0"))).hasSize(2);
        assertThat(paths(list("/tmp/tree", ",\"depth\":-5"))).hasSize(2);
        assertThat(paths(list("/tmp/tree", ",\"depth\":2")))
                .containsExactly("/tmp/tree/a", "/tmp/tree/b", "/tmp/tree/b/c");
        assertThat(paths(list("/tmp/tree", ",\"depth\":1000000000"))).hasSize(4);
        assertThat(list("/root", "").is(200).path("entries")).isEmpty();

        var entry = list("/tmp/tree", "").json().path("entries").get(0);
        assertThat(entry.path("name").asText()).isEqualTo("a");
        assertThat(entry.path("type").asText()).isEqualTo("file");
        assertThat(entry.path("size").asLong()).isEqualTo(3);
        assertThat(entry.path("mode").isInt()).isTrue();
        assertThat(entry.path("permissions").asText()).matches("-[rwx-]{9}");
        assertThat(entry.path("owner").asText()).isNotEmpty();
        assertThat(entry.path("group").asText()).isNotEmpty();
        assertThat(entry.path("modified_at").isIntegralNumber()).isTrue();
        assertThat(entry.has("symlink_target")).isFalse();
    }

    private Api.Answer list(String path, String more) {
        return client.post(files + "/list", json(path).replace("}", more + "}"));
    }

    private static Iterable<String> paths(Api.Answer answer) {
        return answer.is(200)
                .path("entries")
                .valueStream()
                .map(e -> e.path("path").asText())
                .toList();
    }

    @Test
    void what_cannot_be_listed_has_a_status() {
        write("/tmp/file", "x").is(204);

        list("/tmp/missing", "").fails(404, "not_found");
        list("/tmp/file", "").fails(400, "invalid_request");
        list("", "").fails(400, "invalid_request");
        list("/tmp", ",\"depth\":\"1\"").fails(400, "invalid_request");
    }

    @Test
    void a_folder_is_made_once() {
        var entry = client.post(files + "/mkdir", json("/tmp/x/y")).is(200).path("entry");
        assertThat(entry.path("type").asText()).isEqualTo("directory");
        assertThat(entry.path("path").asText()).isEqualTo("/tmp/x/y");
        assertThat(entry.path("permissions").asText()).startsWith("d");

        client.post(files + "/mkdir", json("/tmp/x/y")).fails(409, "conflict");
        write("/tmp/file", "").is(204);
        client.post(files + "/mkdir", json("/tmp/file")).fails(400, "invalid_request");
        client.post(files + "/mkdir", json("/tmp/file/below")).fails(400, "invalid_request");
    }

    @Test
    void what_is_removed_is_gone_and_a_second_time_not_found() {
        write("/tmp/heap/a", "").is(204);

        assertThat(client.post(files + "/remove", json("/tmp/heap")).is(204).isMissingNode())
                .isTrue();

        client.post(files + "/remove", json("/tmp/heap")).fails(404, "not_found");
    }

    @Test
    void stat_and_move_describe_what_is_there() {
        write("/tmp/from", "1234").is(204);
        JsonNode entry = client.post(files + "/stat", json("/tmp/from")).is(200).path("entry");
        assertThat(entry.path("size").asInt()).isEqualTo(4);

        var moved =
                client.post(
                        files + "/move",
                        "{\"source\":\"/tmp/from\",\"destination\":\"/tmp/new/to\"}");

        assertThat(moved.is(200).path("entry").path("path").asText()).isEqualTo("/tmp/new/to");
        client.post(files + "/stat", json("/tmp/from")).fails(404, "not_found");
        client.post(files + "/move", "{\"source\":\"/tmp/new/to\"}").fails(400, "invalid_request");
        client.post(files + "/move", "{\"source\":\"/tmp/from\",\"destination\":\"/tmp/x\"}")
                .fails(404, "not_found");
    }

    @ParameterizedTest
    @CsvSource({"'\"0640\"',416", "'\"640\"',416", "416,416", "'\"04755\"',2541", "0,0"})
    void a_mode_may_be_a_number_or_octal_digits(String mode, int bits) {
        write("/srv/tool", "x");

        var entry =
                client.post(files + "/chmod", "{\"path\":\"/srv/tool\",\"mode\":" + mode + "}")
                        .is(200)
                        .path("entry");

        assertThat(entry.path("path").asText()).isEqualTo("/srv/tool");
        assertThat(entry.path("mode").asInt()).isEqualTo(bits);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"path\":\"/etc\"}",
                "{\"mode\":420}",
                "{\"path\":\"/etc\",\"mode\":4096}",
                "{\"path\":\"/etc\",\"mode\":-1}",
                "{\"path\":\"/etc\",\"mode\":\"0999\"}",
                "{\"path\":\"/etc\",\"mode\":\"u+x\"}",
                "{\"path\":\"/etc\",\"mode\":\"\"}",
                "{\"path\":\"/etc\",\"mode\":1.5}",
                "{\"path\":\"/etc\",\"mode\":true}"
            })
    void what_is_no_mode_is_refused(String body) {
        client.post(files + "/chmod", body).fails(400, "invalid_request");
    }

    @Test
    void the_mode_of_nothing_cannot_change() {
        client.post(files + "/chmod", "{\"path\":\"/no/such\",\"mode\":420}")
                .fails(404, "not_found");
    }
}
