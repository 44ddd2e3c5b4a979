package dev.wrenn.vmm.qemu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;

@DisplayNameGeneration(ReplaceUnderscores.class)
final class QmpLinesTest {
    private static final String TEXT = "{\"a\":1}\r\n{\"b\":\"ä\"}\r\n\n{\"c\":3}\n";

    @Test
    void lines_come_out_whole_however_the_stream_is_cut() {
        var bytes = TEXT.getBytes(StandardCharsets.UTF_8);
        for (int cut = 0; cut <= bytes.length; cut++) {
            var lines = new QmpLines();
            var out = new ArrayList<String>();
            feed(lines, bytes, 0, cut, out);
            feed(lines, bytes, cut, bytes.length, out);

            assertThat(out).containsExactly("{\"a\":1}\r", "{\"b\":\"ä\"}\r", "", "{\"c\":3}");
        }
    }

    @Test
    void a_line_of_the_largest_size_is_read_and_one_byte_more_is_not() {
        var lines = new QmpLines();
        var largest = "x".repeat(QmpLines.LIMIT_BYTES);

        assertThat(lines.feed(bytes(largest + "\n"))).hasSize(1);

        assertThatThrownBy(() -> lines.feed(bytes(largest + "y\n")))
                .isInstanceOf(QmpLines.LineTooLong.class);
    }

    private static void feed(QmpLines lines, byte[] bytes, int from, int to, List<String> out) {
        lines.feed(ByteBuffer.wrap(bytes, from, to - from))
                .forEach(line -> out.add(new String(line, StandardCharsets.UTF_8)));
    }

    private static ByteBuffer bytes(String text) {
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
    }
}
