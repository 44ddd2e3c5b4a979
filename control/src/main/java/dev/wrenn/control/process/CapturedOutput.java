package dev.wrenn.control.process;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.SequenceInputStream;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * What a command wrote, kept in the pieces in which it came: it is checked and sent piece by piece,
 * so that large output is held once and not again as text, as JSON and as an answer.
 */
final class CapturedOutput {
    private static final int LIMIT_BYTES = 64 << 20;
    private static final int LOOKED_AT_CHARS = 8 << 10;

    private final Stream stdout = new Stream();
    private final Stream stderr = new Stream();
    private int size;

    /** One of the two outputs. */
    private static final class Stream {
        private final List<byte[]> pieces = new ArrayList<>();
        private int size;

        InputStream open() {
            return new SequenceInputStream(
                    Collections.enumeration(
                            pieces.stream()
                                    .map(p -> (InputStream) new ByteArrayInputStream(p))
                                    .toList()));
        }

        boolean isText() throws IOException {
            var decoder = StandardCharsets.UTF_8.newDecoder(); // which reports what is no text
            var looked = new char[LOOKED_AT_CHARS];
            try (var reader = new InputStreamReader(open(), decoder)) {
                while (reader.read(looked) >= 0) {
                    // only whether it can be read
                }
                return true;
            } catch (CharacterCodingException _) {
                return false;
            }
        }
    }

    /**
     * Keeps a piece.
     *
     * @throws ApiException TOO_LARGE if both outputs together are more than may be kept
     */
    void keep(boolean isError, byte[] piece) {
        size += piece.length;
        if (size > LIMIT_BYTES) {
            throw new ApiException(
                    ErrorCode.TOO_LARGE,
                    "the command wrote more than %d MiB; stream its output or write it to a file"
                            .formatted(LIMIT_BYTES >> 20));
        }
        var stream = isError ? stderr : stdout;
        stream.pieces.add(piece);
        stream.size += piece.length;
    }

    /** Writes the fields stdout, stderr and encoding; both are base64 if one is no text. */
    void write(JsonGenerator json) throws IOException {
        boolean isText = stdout.isText() && stderr.isText();
        write(json, "stdout", stdout, isText);
        write(json, "stderr", stderr, isText);
        json.writeStringField("encoding", isText ? "utf-8" : "base64");
    }

    private static void write(JsonGenerator json, String field, Stream stream, boolean isText)
            throws IOException {
        json.writeFieldName(field);
        if (isText) {
            json.writeString(new InputStreamReader(stream.open(), StandardCharsets.UTF_8), -1);
        } else {
            json.writeBinary(stream.open(), stream.size);
        }
    }
}
