package dev.wrenn.vmm.qemu;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Base64;

/**
 * The last of what guest and QEMU said, made safe to log: bounded, and without control characters.
 */
final class VmOutput {
    private static final int KEPT_CHARS = 8 * 1024;

    /** QEMU's own output: a guest can make it complain without end. */
    private static final long LOG_LIMIT_BYTES = 256 * 1024;

    private final Path log;

    @GuardedBy("this")
    private String console = "";

    VmOutput(Path log) {
        this.log = log;
    }

    /** Takes what the console held since it was read last; returns the end of all of it. */
    synchronized String addConsole(String base64) {
        var text =
                new String(Base64.getMimeDecoder().decode(base64), StandardCharsets.UTF_8)
                        .replaceAll("[\\p{Cntrl}&&[^\n]]", "");
        console = end(console + text);
        return console;
    }

    /** The last lines of QEMU and of the console as far as it was read. */
    synchronized String lastLines() {
        return (end(readLog()) + "\n" + console).strip();
    }

    /** Empties QEMU's output when it has grown too long; it is opened for appending. */
    void trim() throws IOException {
        try (var file = FileChannel.open(log, StandardOpenOption.WRITE)) {
            if (file.size() > LOG_LIMIT_BYTES) {
                file.truncate(0);
            }
        } catch (NoSuchFileException _) {
            // removed together with the VM
        }
    }

    private String readLog() {
        try (var file = FileChannel.open(log, StandardOpenOption.READ)) {
            var bytes = ByteBuffer.allocate(KEPT_CHARS);
            file.read(bytes, Math.max(0, file.size() - KEPT_CHARS));
            return new String(bytes.array(), 0, bytes.position(), StandardCharsets.UTF_8)
                    .replaceAll("[\\p{Cntrl}&&[^\n]]", "");
        } catch (IOException _) {
            return ""; // removed together with the VM
        }
    }

    private static String end(String text) {
        return text.substring(Math.max(0, text.length() - KEPT_CHARS));
    }
}
