package dev.wrenn.cli.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Pause;
import dev.wrenn.base.Progress;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.client.ApiClient;
import dev.wrenn.cli.client.ApiFailure;
import java.io.EOFException;
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

/**
 * Files of one capsule, one at a time, with their permissions. What arrived of a file is kept
 * beside the target, on whichever side that is, under a name that also holds size and time of the
 * original: a transfer that breaks off, or a later one of the same file, goes on from there and
 * never mixes two versions, and the target is replaced when all is there.
 */
final class Transfer {
    private static final int TRIES = 6; // of which none got further
    private static final Duration BETWEEN_TRIES = Duration.ofSeconds(1);
    private static final Duration HEAD_LIMIT = Duration.ofMinutes(2);

    /** The answer to an upload comes after its last byte, however long that takes. */
    private static final Duration UPLOAD_LIMIT = Duration.ofDays(1);

    private static final int CHUNK_BYTES = 64 << 10;

    /** Smaller files are sent again in less time than it takes to ask what arrived of them. */
    private static final long WORTH_KEEPING_BYTES = 1 << 20;

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
    private static long persistently(Shown shown, Attempt attempt) throws IOException {
        int inVain = 0;
        while (true) {
            long before = shown.furthest;
            try {
                return attempt.run();
            } catch (ApiFailure e) {
                throw e;
            } catch (WrennException | IOException e) {
                inVain = shown.furthest > before ? 1 : inVain + 1;
                if (inVain == TRIES || Thread.currentThread().isInterrupted()) {
                    throw e;
                }
                System.err.println("wrenn: the transfer broke off, going on: " + e.getMessage());
                var deadline = Deadline.after(BETWEEN_TRIES);
                Pause.until(deadline::isPast, BETWEEN_TRIES.dividedBy(10), deadline);
            }
        }
    }

    /**
     * Fetches a file.
     *
     * @return bytes of the file
     */
    long download(JsonNode entry, Path place, Progress.Step step) throws IOException {
        long size = entry.path("size").asLong();
        var version = version(size, entry.path("modified_at").asLong());
        var part = place.resolveSibling("." + place.getFileName() + version);
        var folder = place.toAbsolutePath().getParent();
        if (folder != null) {
            Files.createDirectories(folder);
        }
        var shown = new Shown(step);
        long bytes =
                persistently(
                        shown,
                        () -> {
                            fetch(entry.path("path").asText(), part, shown);
                            long have = Files.size(part);
                            if (have < size) {
                                throw new EOFException("%d of %d bytes came".formatted(have, size));
                            }
                            return have;
                        });
        Files.setPosixFilePermissions(part, Modes.permissions(entry.path("mode").asInt()));
        Files.move(part, place, StandardCopyOption.REPLACE_EXISTING);
        return bytes;
    }

    private static String version(long size, long time) {
        return ".%d-%d.part".formatted(size, time);
    }

    private void fetch(String path, Path part, Shown shown) throws IOException {
        long have = Files.exists(part) ? Files.size(part) : 0;
        shown.at(have);
        var order = new LinkedHashMap<String, Object>();
        order.put("path", path);
        order.put("offset", have);
        try (var content = api.stream(files + "stream/read", order, HEAD_LIMIT);
                var file = new RandomAccessFile(part.toFile(), "rw")) {
            file.seek(have);
            var buffer = new byte[CHUNK_BYTES];
            for (int n = content.read(buffer); n >= 0; n = content.read(buffer)) {
                file.write(buffer, 0, n);
                shown.at(file.getFilePointer());
            }
        }
    }

    /**
     * Sends a file.
     *
     * @return bytes of the file
     */
    long upload(Path file, String place, Progress.Step step) throws IOException {
        long size = Files.size(file);
        var shown = new Shown(step);
        if (size < WORTH_KEEPING_BYTES) {
            persistently(shown, () -> send(file, place, 0, shown));
            changeMode(place, Modes.of(file));
            return size;
        }
        var part = besides(place, version(size, Files.getLastModifiedTime(file).toMillis()));
        persistently(shown, () -> send(file, part, arrived(part, size), shown));
        changeMode(part, Modes.of(file));
        api.post(
                files + "move", Map.of("source", part, "destination", place), CapsuleCommand.LIMIT);
        return size;
    }

    private static String besides(String place, String version) {
        int name = place.lastIndexOf('/') + 1;
        return place.substring(0, name) + "." + place.substring(name) + version;
    }

    /** Gives a file or folder in the capsule those permission bits. */
    void changeMode(String path, int mode) {
        var order = Map.of("path", path, "mode", mode);
        api.post(files + "chmod", order, CapsuleCommand.LIMIT);
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

    private long send(Path file, String place, long offset, Shown shown) {
        var boundary = UUID.randomUUID().toString().replace("-", "");
        api.post(
                files + "stream/write",
                "multipart/form-data; boundary=" + boundary,
                form(boundary, file, place, offset, shown),
                UPLOAD_LIMIT);
        return offset;
    }

    /** The form that the route takes (RFC 7578); its file part is read as it is sent. */
    private static BodyPublisher form(
            String boundary, Path file, String place, long offset, Shown shown) {
        var head =
                field(boundary, "path", place)
                        + field(boundary, "offset", Long.toString(offset))
                        + "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"upload\"\r\nContent-Type: application/octet-stream\r\n\r\n"
                                .formatted(boundary);
        return BodyPublishers.concat(
                BodyPublishers.ofString(head),
                BodyPublishers.ofInputStream(() -> open(file, offset, shown)),
                BodyPublishers.ofString("\r\n--" + boundary + "--\r\n"));
    }

    private static String field(String boundary, String name, String value) {
        return "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n"
                .formatted(boundary, name, value);
    }

    @SuppressWarnings("MustBeClosedChecker") // the HTTP client closes it
    private static InputStream open(Path file, long offset, Shown shown) {
        try {
            var content = Files.newInputStream(file);
            content.skipNBytes(offset);
            return new Counted(content, offset, shown);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** How far people see it to be; what is sent once more is not counted once more. */
    private static final class Shown {
        private final Progress.Step step;
        private long furthest;

        Shown(Progress.Step step) {
            this.step = step;
        }

        void at(long position) {
            if (position > furthest) {
                step.advance(position - furthest);
                furthest = position;
            }
        }
    }

    /** Tells how far it was read. */
    private static final class Counted extends FilterInputStream {
        private final Shown shown;
        private long position;

        Counted(InputStream content, long position, Shown shown) {
            super(content);
            this.position = position;
            this.shown = shown;
            shown.at(position);
        }

        @Override
        public int read() throws IOException {
            int value = super.read();
            if (value >= 0) {
                position++;
                shown.at(position);
            }
            return value;
        }

        @Override
        public int read(byte[] buffer, int offset, int length) throws IOException {
            int n = super.read(buffer, offset, length);
            if (n > 0) {
                position += n;
                shown.at(position);
            }
            return n;
        }
    }
}
