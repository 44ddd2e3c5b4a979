package dev.wrenn.host.oci;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;

/**
 * A layer of an image as it was pulled: a tar, plain or compressed with gzip.
 *
 * @param file its blob, checked against its digest
 */
record Layer(Path file) {
    private static final int HEAD_BYTES = 4;
    private static final int BUFFER_BYTES = 256 << 10;

    TarArchiveInputStream open() throws IOException {
        InputStream in = new BufferedInputStream(Files.newInputStream(file), BUFFER_BYTES);
        try {
            in.mark(HEAD_BYTES);
            var head = in.readNBytes(HEAD_BYTES);
            in.reset();
            if (starts(head, 0x28, 0xb5, 0x2f, 0xfd)) {
                throw ImageRefused.hostile(
                        "has a layer compressed with zstd; push it with gzip layers");
            }
            return new TarArchiveInputStream(
                    starts(head, 0x1f, 0x8b) ? new GZIPInputStream(in, BUFFER_BYTES) : in);
        } catch (IOException | RuntimeException e) {
            in.close();
            throw e;
        }
    }

    private static boolean starts(byte[] head, int... bytes) {
        if (head.length < bytes.length) {
            return false;
        }
        for (int i = 0; i < bytes.length; i++) {
            if ((head[i] & 0xff) != bytes[i]) {
                return false;
            }
        }
        return true;
    }
}
