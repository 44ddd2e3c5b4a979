package dev.wrenn.bench;

import dev.wrenn.base.Stopwatch;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;

/**
 * What it takes to make a file durable on the volume where snapshots lie: no pause that keeps its
 * promise can be faster than its bytes.
 */
final class PlainWrite {
    private static final int CHUNK_BYTES = 1 << 20;

    private PlainWrite() {}

    /** Milliseconds to write that much that no disk can compress, and to sync it. */
    static double millis(Path folder, double mib) {
        var file = folder.resolve("plain-write");
        var random = new byte[CHUNK_BYTES];
        new SecureRandom().nextBytes(random);
        try (var channel =
                FileChannel.open(
                        file,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING,
                        StandardOpenOption.WRITE)) {
            var watch = Stopwatch.start();
            for (long left = (long) (mib * CHUNK_BYTES); left > 0; left -= CHUNK_BYTES) {
                var chunk = ByteBuffer.wrap(random, 0, (int) Math.min(left, CHUNK_BYTES));
                while (chunk.hasRemaining()) {
                    channel.write(chunk);
                }
            }
            channel.force(true);
            return watch.elapsedNanos() / 1e6;
        } catch (IOException e) {
            throw BenchFailed.because("cannot write to the volume", e);
        } finally {
            CPrograms.delete(file);
        }
    }
}
