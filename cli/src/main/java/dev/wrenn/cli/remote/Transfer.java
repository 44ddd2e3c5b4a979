package dev.wrenn.cli.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Pause;
import dev.wrenn.base.Progress;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.client.ApiClient;
import dev.wrenn.cli.client.ApiFailure;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;

/** Files of one capsule, one at a time; a transfer that breaks off is continued where it was. */
final class Transfer {
    private static final int TRIES = 6;
    private static final Duration BETWEEN_TRIES = Duration.ofSeconds(1);
    private static final Duration HEAD_LIMIT = Duration.ofMinutes(2);

    /** The answer to an upload comes after its last byte, however long that takes. */
    private static final Duration UPLOAD_LIMIT = Duration.ofDays(1);

    private static final int CHUNK_BYTES = 64 << 10;

    private final ApiClient api;
    private final String files;

    Transfer(ApiClient api, String capsule) {
        this.api = api;
        this.files = CapsuleCommand.path(capsule) + "/files/";
    }

    JsonNode stat(String path) {
        return api.post(files + "stat", Map.of("path", path), CapsuleCommand.LIMIT).path("entry");
    }

    JsonNode list(String path, int depth) {
        var order = Map.of("path", path, "depth", depth);
        return api.post(files + "list", order, HEAD_LIMIT).path("entries");
    }

    /** Makes a folder; one that is there is fine. */
    void makeFolder(String path) {
        try {
            api.post(files + "mkdir", Map.of("path", path), CapsuleCommand.LIMIT);
        } catch (ApiFailure e) {
            if (e.kind() != Kind.WRONG_STATE) {
                throw e;
            }
        }
    }

    private interface Attempt {
        long run() throws IOException;
    }

    /** Again and again while connections break, but not after the server has refused. */
    private static long persistently(Attempt attempt) throws IOException {
        for (int failed = 1; ; failed++) {
            try {
                return attempt.run();
            } catch (ApiFailure e) {
                throw e;
            } catch (WrennException | IOException e) {
                if (failed == TRIES || Thread.currentThread().isInterrupted()) {
                    throw e;
                }
                System.err.println("wrenn: the transfer broke off, going on: " + e.getMessage());
                var deadline = Deadline.after(BETWEEN_TRIES);
                Pause.until(deadline::isPast, BETWEEN_TRIES.dividedBy(10), deadline);
            }
        }
    }

    /**
     * Fetches a file. What arrived is kept beside the target under a name that also holds size and
     * time of the original, so that a later try never mixes two versions.
     *
     * @return bytes of the file
     */
    long download(JsonNode entry, Path place, Progress.Step step) throws IOException {
        long size = entry.path("size").asLong();
        var part =
                place.resolveSibling(
                        ".%s.%d-%d.part"
                                .formatted(
                                        place.getFileName(),
                                        size,
                                        entry.path("modified_at").asLong()));
        var folder = place.toAbsolutePath().getParent();
        if (folder != null) {
            Files.createDirectories(folder);
        }
        if (Files.exists(part)) {
            step.advance(Files.size(part));
        }
        long bytes =
                persistently(() -> {
                    fetch(entry.path("path").asText(), part, step);
                    return Files.size(part);
                });
        Files.move(part, place, StandardCopyOption.REPLACE_EXISTING);
        return bytes;
    }

    private void fetch(String path, Path part, Progress.Step step) throws IOException {
        long have = Files.exists(part) ? Files.size(part) : 0;
        var order = new LinkedHashMap<String, Object>();
        order.put("path", path);
        order.put("offset", have);
        try (var content = api.stream(files + "stream/read", order, HEAD_LIMIT);
                var file = new RandomAccessFile(part.toFile(), "rw")) {
            file.seek(have);
            var buffer = new byte[CHUNK_BYTES];
            for (int n = content.read(buffer); n >= 0; n = content.read(buffer)) {
                file.write(buffer, 0, n);
                step.advance(n);
            }
        }
    }

    /**
     * Sends a file.
     *
     * @param goOn whether the first try already keeps what the file in the capsule has
     * @return bytes of the file
     */
    long upload(Path file, String place, boolean goOn, Progress.Step step) throws IOException {
        long size = Files.size(file);
        var keep = new boolean[] {goOn};
        return persistently(() -> {
            long have = keep[0] ? arrived(place, size) : 0;
            keep[0] = true;
            step.advance(have);
            send(file, place, have, step);
            return size;
        });
    }

    /** What a broken upload left there; nothing if it is more than it could be. */
    private long arrived(String place, long size) {
        try {
            long have = stat(place).path("size").asLong();
            return have <= size ? have : 0;
        } catch (ApiFailure e) {
            if (e.kind() == Kind.ABSENT) {
                return 0;
            }
            throw e;
        }
    }

    private void send(Path file, String place, long offset, Progress.Step step) {
        var boundary = UUID.randomUUID().toString().replace("-", "");
        api.post(
                files + "stream/write",
                "multipart/form-data; boundary=" + boundary,
                form(boundary, file, place, offset, step),
                UPLOAD_LIMIT);
    }

    /** The form that the route takes (RFC 7578); its file part is read as it is sent. */
    private static BodyPublisher form(
            String boundary, Path file, String place, long offset, Progress.Step step) {
        var head =
                field(boundary, "path", place)
                        + field(boundary, "offset", Long.toString(offset))
                        + "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"upload\"\r\nContent-Type: application/octet-stream\r\n\r\n"
                                .formatted(boundary);
        return BodyPublishers.concat(
                BodyPublishers.ofString(head),
                BodyPublishers.ofInputStream(() -> open(file, offset, step)),
                BodyPublishers.ofString("\r\n--" + boundary + "--\r\n"));
    }

    private static String field(String boundary, String name, String value) {
        return "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n"
                .formatted(boundary, name, value);
    }

    @SuppressWarnings("MustBeClosedChecker") // the HTTP client closes it
    private static InputStream open(Path file, long offset, Progress.Step step) {
        try {
            var content = Files.newInputStream(file);
            content.skipNBytes(offset);
            return new Counted(content, step);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Tells how much was read. */
    private static final class Counted extends FilterInputStream {
        private final Progress.Step step;

        Counted(InputStream content, Progress.Step step) {
            super(content);
            this.step = step;
        }

        @Override
        public int read() throws IOException {
            int value = super.read();
            if (value >= 0) {
                step.advance(1);
            }
            return value;
        }

        @Override
        public int read(byte[] buffer, int offset, int length) throws IOException {
            int n = super.read(buffer, offset, length);
            if (n > 0) {
                step.advance(n);
            }
            return n;
        }
    }
}
