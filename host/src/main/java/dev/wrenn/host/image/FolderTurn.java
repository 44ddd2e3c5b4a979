package dev.wrenn.host.image;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Pause;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The right to make something in a folder that several processes share; it ends when it is closed,
 * or with the process.
 */
final class FolderTurn implements Resource {
    private static final Duration LIMIT = Duration.ofMinutes(60);
    private static final Duration INTERVAL = Duration.ofMillis(100);

    private final FileChannel channel;

    private FolderTurn(FileChannel channel) {
        this.channel = channel;
    }

    /** Waits for it. */
    static FolderTurn take(Path folder) throws IOException {
        var turn = new FolderTurn(open(folder));
        try {
            await(turn.channel);
            return turn;
        } catch (RuntimeException e) {
            turn.close();
            throw e;
        }
    }

    /**
     * Takes it unless another process has it. Not to be called while a thread of this process has
     * it: closing any descriptor of a file ends all locks that a process has on it (fcntl(2)).
     */
    static Optional<FolderTurn> tryTake(Path folder) throws IOException {
        var turn = new FolderTurn(open(folder));
        if (tryLock(turn.channel).isPresent()) {
            return Optional.of(turn);
        }
        turn.close();
        return Optional.empty();
    }

    private static FileChannel open(Path folder) throws IOException {
        return FileChannel.open(
                folder.resolve(".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    }

    private static void await(FileChannel channel) {
        var held = new AtomicReference<Optional<FileLock>>(Optional.empty());
        boolean locked =
                Pause.until(
                        () -> {
                            held.set(tryLock(channel));
                            return held.get().isPresent();
                        },
                        INTERVAL,
                        Deadline.after(LIMIT));
        if (!locked) {
            throw new WrennException(
                    Kind.CONFLICT, "another process has been preparing guest images for an hour");
        }
    }

    private static Optional<FileLock> tryLock(FileChannel channel) {
        try {
            return Optional.ofNullable(channel.tryLock());
        } catch (OverlappingFileLockException _) {
            return Optional.empty(); // held by another thread of this process
        } catch (IOException e) {
            throw new GuestImageFailed("cannot lock the folder of guest images", e);
        }
    }

    @Override
    public void close() {
        try {
            channel.close(); // which ends the lock
        } catch (IOException e) {
            throw new GuestImageFailed("cannot unlock the folder of guest images", e);
        }
    }
}
