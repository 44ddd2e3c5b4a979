package dev.wrenn.cli.folder;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.StandardOpenOption;

/**
 * The right to be the one server of a data folder. The kernel takes it back when the process ends,
 * however it ends; VMMs do not inherit it (fcntl_locking(2)).
 */
public final class FolderLock implements Resource {
    private final FileChannel channel;

    private FolderLock(FileChannel channel) {
        this.channel = channel;
    }

    /** Takes it, or says who has it. */
    public static FolderLock take(DataFolder folder) {
        try {
            var channel =
                    FileChannel.open(
                            folder.lock(), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            if (isLocked(channel)) {
                return new FolderLock(channel);
            }
            channel.close();
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot lock " + folder.lock(), e);
        }
        throw new WrennException(Kind.CONFLICT, holder(folder));
    }

    private static boolean isLocked(FileChannel channel) throws IOException {
        try {
            return channel.tryLock() != null;
        } catch (OverlappingFileLockException _) {
            return false; // another thread of this process
        }
    }

    private static String holder(DataFolder folder) {
        var server = ServerRecord.running(folder.serverRecord());
        var who =
                server.map(s ->
                                s.isServing()
                                        ? "process %d, which serves %s"
                                                .formatted(s.pid(), s.baseUrl())
                                        : "process %d, which is starting".formatted(s.pid()))
                        .orElse("another process");
        return ("the data folder %s is in use by %s; stop it with `wrenn down --dir %s`, or choose"
                        + " another folder with --dir")
                .formatted(folder.path(), who, folder.path());
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot release the data folder", e);
        }
    }
}
