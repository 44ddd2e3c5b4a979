package dev.wrenn.control.socket;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/**
 * Turns chunks of bytes into text: a character that is split between two chunks is put together,
 * and only what is no UTF-8 at all becomes U+FFFD. Used by one thread.
 */
final class TextOutput implements Output {
    private static final int LONGEST_CHARACTER_BYTES = 4;

    private final CharsetDecoder decoder =
            StandardCharsets.UTF_8
                    .newDecoder()
                    .onMalformedInput(CodingErrorAction.REPLACE)
                    .onUnmappableCharacter(CodingErrorAction.REPLACE);
    private ByteBuffer tail = ByteBuffer.allocate(0);

    @Override
    public String decode(byte[] chunk) {
        var bytes =
                ByteBuffer.allocate(tail.remaining() + chunk.length).put(tail).put(chunk).flip();
        var text = CharBuffer.allocate(bytes.remaining());
        decoder.decode(bytes, text, false);
        tail = ByteBuffer.allocate(LONGEST_CHARACTER_BYTES).put(bytes).flip();
        return text.flip().toString();
    }

    @Override
    public String end() {
        var text = CharBuffer.allocate(LONGEST_CHARACTER_BYTES);
        decoder.decode(tail, text, true);
        decoder.flush(text);
        return text.flip().toString();
    }
}
