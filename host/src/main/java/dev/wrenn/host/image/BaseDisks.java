package dev.wrenn.host.image;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.disk.Disks;
import dev.wrenn.host.oci.PulledImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * Root disks that templates are booted from: immutable files of the volume, complete as soon as
 * they have their name. Capsules work on clones, so one that no template names any more can go at
 * any time. Thread-safe for different names.
 */
public final class BaseDisks {
    private static final String UNFINISHED = ".unfinished-";

    private final Path folder;
    private final Disks disks;
    private final Aside aside;

    /**
     * Opens the folder and removes what interrupted work left in it.
     *
     * @param folder on the volume; made if it is not there
     */
    public BaseDisks(Path folder, Disks disks) {
        this.folder = folder;
        this.disks = disks;
        try {
            this.aside = new Aside(folder);
            aside.clear();
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot prepare the root disks", e);
        }
    }

    /** Where the disk of that name is. */
    public Path path(String name) {
        return folder.resolve(name);
    }

    /** Whether there is one of that name. */
    public boolean has(String name) {
        return Files.exists(path(name));
    }

    /**
     * Keeps a disk by reference; a name that is taken stays as it is, because equal names mean
     * equal content.
     *
     * @param disk is not changed while this runs
     */
    public Path keep(String name, Path disk) {
        return make(name, into -> disks.cloneDisk(disk, into));
    }

    /** Keeps the disk of a guest that has shut down; one that was not put at rest is refused. */
    public Path keepClean(String name, Path disk) {
        disks.requireClean(disk);
        return keep(name, disk);
    }

    /**
     * Makes a disk of a container image, unless there is one already.
     *
     * @return its name, which is equal for equal content
     */
    public String keep(PulledImage image) {
        var disk = new ContainerDisk(image);
        make(disk.name(), into -> disk.make(aside, into));
        return disk.name();
    }

    /** What {@link #keep(PulledImage)} will call it. */
    public static String nameOf(PulledImage image) {
        return new ContainerDisk(image).name();
    }

    private Path make(String name, Aside.Maker maker) {
        if (has(name)) {
            return path(name);
        }
        try {
            return aside.make(name, maker);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot store root disk " + name, e);
        }
    }

    /** What it takes of the volume. */
    public long allocatedBytes(String name) {
        return disks.allocatedBytes(path(name));
    }

    /**
     * Removes the disks that nobody names; what is being made stays.
     *
     * @param names asked after looking what there is: a disk is named before it is made
     */
    public void retainOnly(Supplier<Set<String>> names) {
        try (var all = Files.list(folder)) {
            var candidates = all.collect(Collectors.toCollection(ArrayList::new));
            var wanted = names.get();
            for (var disk : candidates) {
                var name = disk.getFileName().toString();
                if (!name.startsWith(UNFINISHED) && !wanted.contains(name)) {
                    Files.deleteIfExists(disk);
                }
            }
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot remove unused root disks", e);
        }
    }
}
