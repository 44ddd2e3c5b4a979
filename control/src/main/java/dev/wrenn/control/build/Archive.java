package dev.wrenn.control.build;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.JsonBody;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.archivers.zip.ZipFile;

/**
 * Files to copy from, as a client sent them, written anew as a tar.gz that holds nothing
 * surprising: no path leads out of it, no link does, there are no devices, and it is not larger
 * than it may be.
 *
 * @param file the new tar.gz; removed when closed
 * @param contents digest by path, of everything in it
 */
record Archive(Path file, Map<String, String> contents) implements Resource {
    private static final int HEAD_BYTES = 512;
    private static final int TAR_MAGIC_AT = 257;

    /** Copies the map. */
    Archive {
        contents = Map.copyOf(contents);
    }

    /**
     * Reads a tar, tar.gz or zip.
     *
     * @throws ApiException INVALID_REQUEST for anything else and for one that is hostile or broken
     */
    static Archive read(InputStream content) {
        Path sent = null;
        Path made = null;
        try {
            sent = Files.createTempFile("wrenn-archive-", ".sent");
            made = Files.createTempFile("wrenn-archive-", ".tar.gz");
            Files.copy(content, sent, StandardCopyOption.REPLACE_EXISTING);
            var contents = rewrite(sent, made);
            var archive = new Archive(made, contents);
            made = null;
            return archive;
        } catch (IOException | IllegalArgumentException e) {
            // Commons Compress reports broken archives as either.
            throw ApiException.invalid("the archive is damaged: " + e.getMessage());
        } finally {
            delete(sent);
            delete(made);
        }
    }

    private static Map<String, String> rewrite(Path sent, Path made) throws IOException {
        byte[] head;
        try (var in = Files.newInputStream(sent)) {
            head = in.readNBytes(HEAD_BYTES);
        }
        try (var out =
                new SafeTar(
                        new GZIPOutputStream(
                                new BufferedOutputStream(Files.newOutputStream(made))))) {
            if (startsWith(head, 0, 'P', 'K')) {
                try (var zip = ZipFile.builder().setPath(sent).get()) {
                    out.addAll(zip);
                }
            } else {
                boolean isGzip = startsWith(head, 0, 0x1f, 0x8b);
                if (!isGzip && !startsWith(head, TAR_MAGIC_AT, 'u', 's', 't', 'a', 'r')) {
                    throw ApiException.invalid("the archive must be a tar, tar.gz or zip");
                }
                try (var in = Files.newInputStream(sent);
                        var plain = isGzip ? new GZIPInputStream(in) : in;
                        var tar = new TarArchiveInputStream(plain)) {
                    out.addAll(tar);
                }
            }
            return out.contents();
        }
    }

    private static boolean startsWith(byte[] head, int at, int... bytes) {
        if (head.length < at + bytes.length) {
            return false;
        }
        for (int i = 0; i < bytes.length; i++) {
            if ((head[at + i] & 0xff) != bytes[i]) {
                return false;
            }
        }
        return true;
    }

    /** The contents as they are stored with a build. */
    String contentsJson() {
        var json = JsonBody.JSON.createObjectNode();
        new java.util.TreeMap<>(contents).forEach(json::put);
        return json.toString();
    }

    private static void delete(@org.jspecify.annotations.Nullable Path path) {
        if (path == null) {
            return;
        }
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot remove an uploaded file", e);
        }
    }

    @Override
    public void close() {
        delete(file);
    }
}
