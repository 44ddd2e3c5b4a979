package dev.wrenn.control.file;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.control.http.ApiException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class UploadFormTest {
    private static final Optional<String> TYPE = Optional.of("multipart/form-data; boundary=b-0");
    private static final String PATH =
            "--b-0\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\n";
    private static final String FILE =
            String.join(
                    "\r\n",
                    "--b-0",
                    "Content-Disposition: form-data; name=\"file\"; filename=\"upload\"",
                    "Content-Type: application/octet-stream",
                    "",
                    "");
    private static final String END = "--b-0--\r\n";

    @Test
    void path_and_file_are_found() throws Exception {
        try (var form = open(PATH + "/tmp/ž\r\n" + FILE + "content\r\n" + END)) {
            assertThat(form.path()).isEqualTo("/tmp/ž");
            assertThat(text(form)).isEqualTo("content");
        }
    }

    @Test
    void other_fields_and_repetitions_are_passed_over() throws Exception {
        var other = "--b-0\r\nContent-Disposition: form-data; name=\"mode\"\r\n\r\n755\r\n";
        try (var form =
                open(
                        other
                                + PATH
                                + "/a\r\n"
                                + other
                                + FILE
                                + "first\r\n"
                                + FILE
                                + "second\r\n"
                                + PATH
                                + "/b\r\n"
                                + END)) {
            assertThat(form.path()).isEqualTo("/a");
            assertThat(text(form)).isEqualTo("first");
        }
    }

    @Test
    void a_file_may_come_before_its_path() throws Exception {
        var content = "x".repeat(300_000);
        try (var form = open(FILE + content + "\r\n" + PATH + "/late\r\n" + END)) {
            assertThat(form.path()).isEqualTo("/late");
            assertThat(text(form)).isEqualTo(content);
        }
    }

    @Test
    void an_offset_before_the_file_is_taken_and_a_later_one_refused() throws Exception {
        var offset = "--b-0\r\nContent-Disposition: form-data; name=\"offset\"\r\n\r\n";
        try (var form = open(PATH + "/a\r\n" + offset + "4096\r\n" + FILE + "x\r\n" + END)) {
            assertThat(text(form)).isEqualTo("x");
            assertThat(form.offset()).isEqualTo(4096);
        }
        try (var form = open(PATH + "/a\r\n" + FILE + "x\r\n" + END)) {
            assertThat(form.offset()).isZero();
        }
        try (var form = open(PATH + "/a\r\n" + offset + "many\r\n" + FILE + "x\r\n" + END)) {
            assertThatThrownBy(form::offset).isInstanceOf(ApiException.class);
        }
        try (var form =
                open(
                        PATH
                                + "/a\r\n"
                                + FILE
                                + "x".repeat(100_000)
                                + "\r\n"
                                + offset
                                + "1\r\n"
                                + END)) {
            assertThatThrownBy(() -> text(form)).hasMessageContaining("before the file");
        }
    }

    @Test
    void an_empty_file_is_a_file() throws Exception {
        try (var form = open(PATH + "/empty\r\n" + FILE + "\r\n" + END)) {
            assertThat(text(form)).isEmpty();
        }
    }

    @Test
    void bytes_survive_wherever_the_network_cuts_the_form() throws Exception {
        var random = new Random(7);
        var content = new byte[200_000];
        random.nextBytes(content);
        var almost = "\r\n--b-".getBytes(StandardCharsets.UTF_8); // nearly the boundary
        System.arraycopy(almost, 0, content, 1_000, almost.length);
        var form = concat(bytes(PATH + "/any\r\n" + FILE), content, bytes("\r\n" + END));
        for (int most : new int[] {1, 2, 3, 7, 1_000, 65_536}) {
            try (var opened = UploadForm.open(TYPE, inPieces(form, most), Long.MAX_VALUE)) {
                assertThat(opened.content().readAllBytes()).isEqualTo(content);
            }
        }
    }

    @Test
    void the_file_goes_on_before_the_form_has_arrived() throws Exception {
        var taken = new AtomicLong();
        var form = bytes(PATH + "/a\r\n" + FILE + "y".repeat(10_000_000) + "\r\n" + END);
        var source =
                new ByteArrayInputStream(form) {
                    @Override
                    public synchronized int read(byte[] into, int offset, int length) {
                        int count = super.read(into, offset, length);
                        taken.addAndGet(count);
                        return count;
                    }
                };
        try (var opened = UploadForm.open(TYPE, source, Long.MAX_VALUE)) {
            assertThat(opened.content().readNBytes(1_000)).hasSize(1_000);
            assertThat(taken.get()).isLessThan(200_000);
        }
    }

    @Test
    void a_form_that_breaks_off_has_no_end_of_file() throws Exception {
        var whole = PATH + "/a\r\n" + FILE + "content\r\n" + END;
        for (var cut : new String[] {"tent\r\n" + END, "\r\n" + END, END, "--\r\n"}) {
            try (var form = open(whole.substring(0, whole.length() - cut.length()))) {
                assertThatThrownBy(() -> text(form)).isInstanceOf(IOException.class);
            }
        }
    }

    @Test
    void what_is_no_such_form_is_refused() {
        assertThatThrownBy(() -> open(FILE + "content\r\n" + END)).hasMessageContaining("path");
        assertThatThrownBy(() -> open(PATH + "/a\r\n" + END)).hasMessageContaining("file");
        assertThatThrownBy(() -> open(PATH + "\r\n" + FILE + "x\r\n" + END))
                .hasMessageContaining("path");
        assertThatThrownBy(() -> open("nonsense")).isInstanceOf(ApiException.class);
        assertThatThrownBy(() -> open("")).isInstanceOf(ApiException.class);
        assertThatThrownBy(() -> open(PATH + "/" + "x".repeat(70_000) + "\r\n" + END))
                .hasMessageContaining("too long");
        for (var type : new String[] {"application/json", "multipart/form-data"}) {
            assertThatThrownBy(() -> UploadForm.open(Optional.of(type), inPieces(bytes(""), 1), 1))
                    .hasMessageContaining("multipart/form-data");
        }
    }

    @Test
    void a_file_over_the_limit_is_cut_off_and_known() throws Exception {
        var form = bytes(PATH + "/a\r\n" + FILE + "z".repeat(1_000_000) + "\r\n" + END);
        try (var opened = UploadForm.open(TYPE, new ByteArrayInputStream(form), 500_000)) {
            assertThatThrownBy(() -> opened.content().readAllBytes())
                    .isInstanceOf(IOException.class);
            assertThat(opened.isTooLong()).isTrue();
        }
    }

    private static UploadForm open(String form) {
        return UploadForm.open(TYPE, new ByteArrayInputStream(bytes(form)), Long.MAX_VALUE);
    }

    private static String text(UploadForm form) throws IOException {
        return new String(form.content().readAllBytes(), StandardCharsets.UTF_8);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static InputStream inPieces(byte[] bytes, int most) {
        return new ByteArrayInputStream(bytes) {
            @Override
            public synchronized int read(byte[] into, int offset, int length) {
                return super.read(into, offset, Math.min(length, most));
            }
        };
    }

    private static byte[] concat(byte[]... parts) {
        var all = new java.io.ByteArrayOutputStream();
        for (var part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }
}
