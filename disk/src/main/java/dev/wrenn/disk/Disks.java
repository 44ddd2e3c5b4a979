package dev.wrenn.disk;

import dev.wrenn.base.Command;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.Reflink;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/** Root disks as files of one volume. Thread-safe. */
public final class Disks {
    private static final Duration COPY_LIMIT = Duration.ofMinutes(10);

    /**
     * Makes a disk that starts with the content of another one; on a volume with reflink that takes
     * milliseconds and no space. A failure leaves no target behind.
     *
     * @param from stays as it is
     * @param to must not exist
     */
    public void cloneDisk(Path from, Path to) {
        try {
            if (Reflink.clone(from, to)) {
                return;
            }
            // --sparse keeps holes: a copy of a nearly empty disk must not fill the volume.
            Command.of("cp", "--sparse=always", from.toString(), to.toString())
                    .within(COPY_LIMIT)
                    .run();
        } catch (WrennException e) {
            removeAfter(e, to);
            throw new DiskFailed(
                    isFull(e) ? Kind.EXHAUSTED : e.kind(),
                    "cannot clone a disk" + (isFull(e) ? ": the volume is full" : ""),
                    e);
        }
    }

    private static boolean isFull(WrennException failure) {
        return failure.kind() == Kind.EXHAUSTED
                || failure.shownMessage().contains("No space left on device");
    }

    private static void removeAfter(WrennException failure, Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
    }
}
