package dev.wrenn.control.file;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.control.http.ApiException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import org.eclipse.jetty.http.MultiPart;
import org.eclipse.jetty.io.Content;

/**
 * A form with the fields {@code path}, maybe {@code offset}, and {@code file}, read as it comes:
 * the file goes on while the client still sends it, so that nobody waits for a second transfer
 * after the first. Only a file that comes before its path is kept in a temporary file until the
 * path is known.
 *
 * <p>The file counts as whole only when the form was read to its last boundary. Used by one thread
 * at a time.
 */
final class UploadForm implements Resource {
    private static final Pattern FIELD_NAME =
            Pattern.compile("(?i)form-data\\s*;.*?\\bname=(?:\"([^\"]*)\"|([^;\\s]+)).*");
    private static final int READ_BYTES = 64 << 10;
    private static final int TEXT_LIMIT_BYTES = 64 << 10;
    private static final int HEADERS_LIMIT_BYTES = 16 << 10;
    private static final int PARTS_LIMIT = 64;

    private final InputStream body;
    private final long limitBytes;
    private final MultiPart.Parser parser;
    private final ByteArrayOutputStream path = new ByteArrayOutputStream();
    private final ByteArrayOutputStream offset = new ByteArrayOutputStream();
    private final Deque<ByteBuffer> arrived = new ArrayDeque<>();
    private Field field = Field.OTHER;
    private boolean hasPath;
    private boolean hasFile;
    private boolean isComplete;
    private boolean isBroken;
    private long fileBytes;
    private Optional<Throwable> failure = Optional.empty();
    private Optional<Path> kept = Optional.empty();

    /** What the part that is being read is. */
    private enum Field {
        PATH,
        OFFSET,
        FILE,
        OTHER
    }

    private UploadForm(String boundary, InputStream body, long limitBytes) {
        this.body = body;
        this.limitBytes = limitBytes;
        this.parser = new MultiPart.Parser(boundary, new Parts());
        parser.setPartHeadersMaxLength(HEADERS_LIMIT_BYTES);
        parser.setMaxParts(PARTS_LIMIT);
    }

    /**
     * Reads as much as is needed to know the path and to begin with the file.
     *
     * @param limitBytes how long the file may be
     * @throws ApiException INVALID_REQUEST if it is not such a form
     */
    static UploadForm open(Optional<String> contentType, InputStream body, long limitBytes) {
        var boundary =
                contentType
                        .filter(t -> t.toLowerCase(Locale.ROOT).startsWith("multipart/form-data"))
                        .flatMap(t -> Optional.ofNullable(MultiPart.extractBoundary(t)))
                        .orElseThrow(() ->
                                ApiException.invalid(
                                        "send multipart/form-data with the fields path and file"));
        var form = new UploadForm(boundary, body, limitBytes);
        try {
            form.readHead();
            return form;
        } catch (IOException e) {
            form.close();
            throw form.refusal()
                    .orElseGet(() ->
                            ApiException.invalid("the form cannot be read: " + e.getMessage()));
        } catch (RuntimeException e) {
            form.close();
            throw e;
        }
    }

    private void readHead() throws IOException {
        while (!(hasPath && hasFile) && !isComplete) {
            readMore();
            if (hasFile && !hasPath) {
                keepWhatArrived();
            }
        }
        if (path().isEmpty() || !hasFile) {
            throw ApiException.invalid("the form must have the fields path and file");
        }
    }

    /** Where the file shall go. */
    String path() {
        return path.toString(StandardCharsets.UTF_8);
    }

    /**
     * Where in the file it goes: an upload that broke off is continued at what had arrived. Known
     * once {@link #content} was called.
     */
    long offset() {
        var text = offset.toString(StandardCharsets.UTF_8);
        if (text.isEmpty()) {
            return 0;
        }
        if (!text.matches("[0-9]{1,18}")) {
            throw ApiException.invalid("offset must be a number of bytes, not " + text);
        }
        return Long.parseLong(text);
    }

    /** What is wrong with the form, if that was why reading failed. */
    Optional<ApiException> refusal() {
        return failure.filter(ApiException.class::isInstance).map(ApiException.class::cast);
    }

    /** Whether the file turned out to be longer than it may be. */
    boolean isTooLong() {
        return fileBytes > limitBytes;
    }

    /** The file; reading it reads the form. */
    InputStream content() throws IOException {
        if (kept.isEmpty()) {
            return new Arriving();
        }
        while (!isComplete) {
            readMore();
            keepWhatArrived();
        }
        return Files.newInputStream(kept.get());
    }

    /** Whether the client is to blame that the file was not read to its end. */
    boolean isBroken() {
        return isBroken;
    }

    /** Whether the client said where to go on, and so may come back to do so. */
    boolean isContinuable() {
        return offset.size() > 0;
    }

    private void readMore() throws IOException {
        isBroken = true; // until this went well
        var block = new byte[READ_BYTES]; // a new one each time: its slices wait in the queue
        int count = body.read(block);
        if (count < 0) {
            parser.parse(Content.Chunk.EOF);
        } else {
            parser.parse(Content.Chunk.from(ByteBuffer.wrap(block, 0, count), false));
        }
        if (failure.isPresent()) {
            throw new IOException("it is not whole: " + failure.get().getMessage());
        }
        if (count < 0 && !isComplete) {
            throw new IOException("it broke off");
        }
        if (isTooLong()) {
            throw new IOException("the file is longer than it may be");
        }
        isBroken = false;
    }

    private void keepWhatArrived() throws IOException {
        if (kept.isEmpty()) {
            kept = Optional.of(Files.createTempFile("wrenn-upload-", ""));
        }
        try (OutputStream out =
                Files.newOutputStream(kept.get(), java.nio.file.StandardOpenOption.APPEND)) {
            for (var bytes = arrived.poll(); bytes != null; bytes = arrived.poll()) {
                out.write(bytes.array(), bytes.arrayOffset() + bytes.position(), bytes.remaining());
            }
        }
    }

    @Override
    public void close() {
        try {
            if (kept.isPresent()) {
                Files.deleteIfExists(kept.get());
            }
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot remove a temporary file", e);
        }
    }

    /** The file's bytes while the form arrives. */
    private final class Arriving extends InputStream {
        @Override
        public int read() throws IOException {
            var one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] into, int offset, int length) throws IOException {
            while (arrived.isEmpty() && !isComplete) {
                readMore();
            }
            var first = arrived.peek();
            if (first == null) {
                return -1;
            }
            int count = Math.min(length, first.remaining());
            first.get(into, offset, count);
            if (!first.hasRemaining()) {
                arrived.remove();
            }
            return count;
        }
    }

    /** What the parser finds. */
    private final class Parts implements MultiPart.Parser.Listener {
        private Field next = Field.OTHER;

        @Override
        public void onPartBegin() {
            next = Field.OTHER;
        }

        @Override
        public void onPartHeader(String name, String value) {
            if (name.equalsIgnoreCase("Content-Disposition")) {
                var named = FIELD_NAME.matcher(value);
                var fieldName =
                        named.matches()
                                ? Optional.ofNullable(named.group(1)).orElse(named.group(2))
                                : "";
                next =
                        switch (fieldName) {
                            case "path" -> hasPath ? Field.OTHER : Field.PATH;
                            case "offset" -> Field.OFFSET;
                            case "file" -> hasFile ? Field.OTHER : Field.FILE;
                            default -> Field.OTHER;
                        };
            }
        }

        @Override
        public void onPartHeaders() {
            field = next;
            hasFile |= field == Field.FILE;
        }

        @Override
        public void onPartContent(Content.Chunk chunk) {
            var bytes = chunk.getByteBuffer();
            switch (field) {
                case FILE -> {
                    fileBytes += bytes.remaining();
                    if (bytes.hasRemaining()) {
                        arrived.add(bytes.slice());
                    }
                }
                case PATH -> keep(path, bytes);
                case OFFSET -> {
                    if (hasFile && kept.isEmpty()) {
                        refuse("offset must come before the file");
                    }
                    keep(offset, bytes);
                }
                case OTHER -> {}
            }
        }

        /** Kept and not thrown, for the parser swallows what a listener throws. */
        private void refuse(String why) {
            failure = Optional.of(ApiException.invalid(why));
        }

        private void keep(ByteArrayOutputStream text, ByteBuffer bytes) {
            if (text.size() + bytes.remaining() > TEXT_LIMIT_BYTES) {
                refuse("path or offset is too long");
                return;
            }
            var copy = new byte[bytes.remaining()];
            bytes.duplicate().get(copy);
            text.writeBytes(copy);
        }

        @Override
        public void onPartEnd() {
            hasPath |= field == Field.PATH;
            field = Field.OTHER;
        }

        @Override
        public void onComplete() {
            isComplete = true;
        }

        @Override
        public void onFailure(Throwable cause) {
            failure = failure.or(() -> Optional.of(cause));
        }
    }
}
