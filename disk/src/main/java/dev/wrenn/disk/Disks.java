package dev.wrenn.disk;

import dev.wrenn.base.Command;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.FileExtents;
import dev.wrenn.linux.FileTrouble;
import dev.wrenn.linux.Reflink;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Optional;

/** Root disks as files of one volume. Thread-safe. */
public final class Disks {
    private static final Duration COPY_LIMIT = Duration.ofMinutes(10);
    private static final long STAT_BLOCK_BYTES = 512; // stat(2), st_blocks
    private static final long SUPERBLOCK_OFFSET = 1024;
    private static final int SUPERBLOCK_BYTES = 1024;
    private static final int MAGIC_AT = 0x38;
    private static final short MAGIC = (short) 0xEF53;
    private static final int STATE_AT = 0x3A;
    private static final int STATE_CLEAN = 0x1;
    private static final int INCOMPATIBLE_AT = 0x60;
    private static final int NEEDS_RECOVERY = 0x4;

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

    /** What a disk takes of the volume; clones of one content count each. */
    public long allocatedBytes(Path disk) {
        var blocks = Command.of("stat", "--format=%b", disk.toString()).run().stdout().strip();
        return STAT_BLOCK_BYTES * Long.parseLong(blocks);
    }

    /**
     * What a disk takes of the volume beside what it shares with the one that it is a clone of.
     * Bytes that were written just now count when they have their place, some seconds later.
     *
     * @param origin must not change; without one, everything counts
     */
    public long bytesBeside(Path disk, Optional<Path> origin) {
        var extents = FileExtents.asStored(disk);
        if (extents.isEmpty()) {
            return allocatedBytes(disk);
        }
        var shared = origin.flatMap(FileExtents::asStored).orElse(FileExtents.NONE);
        return extents.get().bytesBeside(shared);
    }

    /**
     * Refuses a disk whose ext4 file system was not unmounted or made read-only before its machine
     * ended: what a template holds must need no repair.
     *
     * @throws DiskFailed CORRUPT if it is not an ext4 file system, or not one at rest
     */
    public void requireClean(Path disk) {
        // Linux Documentation/filesystems/ext4/super.rst
        var superblock = ByteBuffer.allocate(SUPERBLOCK_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        try (var channel = FileChannel.open(disk, StandardOpenOption.READ)) {
            long from = SUPERBLOCK_OFFSET;
            while (superblock.hasRemaining()) {
                int read = channel.read(superblock, from + superblock.position());
                if (read < 0) {
                    throw new DiskFailed(Kind.CORRUPT, "a disk ends within its superblock", null);
                }
            }
        } catch (IOException e) {
            throw new DiskFailed(Kind.UNAVAILABLE, "cannot read a disk", e);
        }
        boolean isExt4 = superblock.getShort(MAGIC_AT) == MAGIC;
        boolean isClean = (superblock.getShort(STATE_AT) & STATE_CLEAN) != 0;
        boolean needsRecovery = (superblock.getInt(INCOMPATIBLE_AT) & NEEDS_RECOVERY) != 0;
        if (!isExt4 || !isClean || needsRecovery) {
            throw new DiskFailed(
                    Kind.CORRUPT,
                    isExt4
                            ? "the guest ended before its disk was at rest"
                            : "the disk has no ext4 file system any more",
                    null);
        }
    }

    private static boolean isFull(WrennException failure) {
        return failure.kind() == Kind.EXHAUSTED
                || FileTrouble.of(failure.shownMessage()) == FileTrouble.FULL;
    }

    private static void removeAfter(WrennException failure, Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
    }
}
