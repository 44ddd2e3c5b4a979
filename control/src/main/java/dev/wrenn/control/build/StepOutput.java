package dev.wrenn.control.build;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;

/**
 * One output of a step as text: handed on as it comes, its end kept. A character that is split
 * between two pieces stays whole.
 */
final class StepOutput {
    private static final int KEPT_CHARS = 64 << 10;
    private static final int MOST_BYTES_OF_A_CHARACTER = 4;

    private final Consumer<String> live;
    private final CharsetDecoder decoder =
            StandardCharsets.UTF_8
                    .newDecoder()
                    .onMalformedInput(CodingErrorAction.REPLACE)
                    .onUnmappableCharacter(CodingErrorAction.REPLACE);
    private final StringBuilder kept = new StringBuilder();
    private byte[] rest = new byte[0];
    private boolean cut;

    StepOutput(Consumer<String> live) {
        this.live = live;
    }

    void add(byte[] bytes) {
        decode(bytes, false);
    }

    /** Ends it; what is kept of it. */
    String end() {
        decode(new byte[0], true);
        return cut ? "[...]" + kept : kept.toString();
    }

    private void decode(byte[] bytes, boolean isEnd) {
        var in = ByteBuffer.allocate(rest.length + bytes.length).put(rest).put(bytes).flip();
        var out = CharBuffer.allocate(in.remaining() + MOST_BYTES_OF_A_CHARACTER);
        decoder.decode(in, out, isEnd);
        if (isEnd) {
            decoder.flush(out);
        }
        rest = new byte[in.remaining()];
        in.get(rest);
        var text = out.flip().toString();
        if (text.isEmpty()) {
            return;
        }
        live.accept(text);
        kept.append(text);
        if (kept.length() > KEPT_CHARS) {
            kept.delete(0, kept.length() - KEPT_CHARS);
            cut = true;
        }
    }
}
