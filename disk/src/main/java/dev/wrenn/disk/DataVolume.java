package dev.wrenn.disk;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Command;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.Reflink;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where disks and snapshots live: a place on which files can be cloned by reference.
 *
 * <p>If the data folder's own file system can do that, it is a plain sub-folder. If not, it is a
 * sparse XFS image in the data folder, mounted beside it. If even that is impossible, it is a plain
 * sub-folder again and clones are sparse copies.
 */
public final class DataVolume implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(DataVolume.class);
    private static final Duration LIMIT = Duration.ofMinutes(2);
    private static final String IMAGE = "volume.xfs";
    private static final String FOLDER = "volume";
    private static final ByteSize SPARED = ByteSize.gib(1);

    private final Path root;
    private final boolean isMounted;
    private final boolean hasReflink;

    private DataVolume(Path root, boolean isMounted, boolean hasReflink) {
        this.root = root;
        this.isMounted = isMounted;
        this.hasReflink = hasReflink;
    }

    /**
     * Opens the volume, making and mounting it if needed; finds one that is mounted already.
     *
     * @param dataFolder exists
     * @param imageSize largest size of an image; it takes only what is stored in it
     * @param progress told what is done, in words for people
     */
    public static DataVolume open(Path dataFolder, ByteSize imageSize, Consumer<String> progress) {
        var folder = createFolder(dataFolder.resolve(FOLDER));
        var image = dataFolder.resolve(IMAGE);
        if (isMountPoint(folder)) {
            return new DataVolume(folder, true, true);
        }
        if (!Files.exists(image) && canReflink(folder)) {
            return new DataVolume(folder, false, true);
        }
        try {
            if (!Files.exists(image)) {
                makeImage(image, imageSize, progress);
            }
            Command.of(
                            "mount",
                            "-o",
                            "loop,noatime,nosuid,nodev",
                            image.toString(),
                            folder.toString())
                    .within(LIMIT)
                    .run();
            return new DataVolume(folder, true, true);
        } catch (WrennException e) {
            if (Files.exists(image)) {
                throw new DiskFailed(
                        Kind.UNAVAILABLE,
                        "cannot mount the volume image "
                                + image
                                + "; if it is damaged, xfs_repair may help",
                        e);
            }
            LOG.atWarn().setCause(e).log("no reflink: disks will be copied, which is slow");
            return new DataVolume(folder, false, false);
        }
    }

    /**
     * The volume of a data folder that was used before; for tools that only look. Closing it leaves
     * a volume mounted that was so before, for VMs may be using it. Empty if there is none.
     */
    public static Optional<DataVolume> existing(Path dataFolder) {
        var folder = dataFolder.resolve(FOLDER);
        if (!Files.isDirectory(folder)) {
            return Optional.empty();
        }
        if (isMountPoint(folder) || !Files.exists(dataFolder.resolve(IMAGE))) {
            return Optional.of(new DataVolume(folder, false, true));
        }
        return Optional.of(open(dataFolder, ByteSize.gib(1), _ -> {}));
    }

    /** Folder on the volume. */
    public Path root() {
        return root;
    }

    /** Whether clones share blocks. */
    public boolean hasReflink() {
        return hasReflink;
    }

    /** The disks on it. */
    public Disks disks() {
        return new Disks();
    }

    private static void makeImage(Path image, ByteSize size, Consumer<String> progress) {
        var aside = image.resolveSibling(IMAGE + ".new");
        try {
            Files.deleteIfExists(aside);
            try (var file = new RandomAccessFile(aside.toFile(), "rw")) {
                file.setLength(size.bytes());
            }
            Command.of("mkfs.xfs", "-q", "-m", "reflink=1", aside.toString()).within(LIMIT).run();
            Files.move(aside, image, StandardCopyOption.ATOMIC_MOVE);
            progress.accept("made a volume image, up to " + size);
            if (image.toFile().getUsableSpace() < SPARED.bytes()) {
                LOG.atWarn()
                        .addKeyValue("free_mib", image.toFile().getUsableSpace() >> 20)
                        .log("little room for the volume image to grow");
            }
        } catch (IOException e) {
            throw new DiskFailed(Kind.UNAVAILABLE, "cannot make the volume image", e);
        }
    }

    private static boolean canReflink(Path folder) {
        var probe = folder.resolve(".reflink-probe");
        var clone = folder.resolve(".reflink-probe.clone");
        try {
            Files.write(probe, new byte[1 << 16]);
            return Reflink.clone(probe, clone);
        } catch (IOException e) {
            throw new DiskFailed(Kind.UNAVAILABLE, "cannot write to the data folder", e);
        } finally {
            delete(probe);
            delete(clone);
        }
    }

    private static void delete(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new DiskFailed(Kind.UNAVAILABLE, "cannot delete a probe file", e);
        }
    }

    /** A mount point has another device than the folder above it (mountpoint(1)). */
    private static boolean isMountPoint(Path folder) {
        try {
            return !Files.getFileStore(folder)
                    .equals(Files.getFileStore(folder.toRealPath().resolve("..")));
        } catch (IOException e) {
            throw new DiskFailed(Kind.UNAVAILABLE, "cannot look at the volume folder", e);
        }
    }

    private static Path createFolder(Path folder) {
        try {
            return Files.createDirectories(folder);
        } catch (IOException e) {
            throw new DiskFailed(Kind.UNAVAILABLE, "cannot make folder " + folder, e);
        }
    }

    /** Unmounts; a volume that is still in use is let go as soon as it is not. */
    @Override
    public void close() {
        if (!isMounted || !isMountPoint(root)) {
            return;
        }
        var attempt = Command.of("umount", root.toString()).within(LIMIT).tryRun();
        if (!attempt.isSuccess()) {
            LOG.atWarn().addKeyValue("reason", attempt.stderr().strip()).log("volume is in use");
            Command.of("umount", "--lazy", root.toString()).within(LIMIT).run();
        }
    }
}
