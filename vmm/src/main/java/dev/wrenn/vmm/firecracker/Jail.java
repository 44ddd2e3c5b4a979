package dev.wrenn.vmm.firecracker;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Kind;
import dev.wrenn.linux.Fifo;
import dev.wrenn.linux.Spawn.Bind;
import dev.wrenn.linux.Spawn.Bind.Use;
import dev.wrenn.vmm.ControlGroup;
import dev.wrenn.vmm.JailUser;
import dev.wrenn.vmm.VmSpec;
import dev.wrenn.vmm.VmmFailed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * What Firecracker is left with: the root folder that its jailer makes (firecracker
 * docs/jailer.md), a user and group of its own, a network namespace with a tap.
 *
 * <p>Disk, scratch folder and page server are mounted into the root, in a mount namespace of the
 * process alone: nobody else sees these mounts, and they end with it. The root itself is a part of
 * the run folder, mounted so that it may hold the program and its device files, which a run folder
 * must not.
 *
 * @param folder the run folder, which knows the user
 * @param scratch for files that are too large for it
 * @param group where the machine has such groups
 */
record Jail(Path folder, Path scratch, Optional<ControlGroup> group) {
    /** Firecracker itself, and what the kernel keeps for it. */
    private static final ByteSize OVERHEAD = ByteSize.mib(128);

    // Names inside of the root.
    static final String API = "/api.sock";
    static final String LOG = "/log";
    static final String DISK = "/disk";
    static final String PAGES = "/pages.sock";
    static final String STATE = "/state";
    private static final String SCRATCH = "/scratch";
    static final String KERNEL = SCRATCH + "/vmlinux";
    static final String INITRD = SCRATCH + "/initrd";
    static final String SAVED_STATE = SCRATCH + "/state";
    static final String SAVED_MEMORY = SCRATCH + "/memory";

    static Jail of(VmSpec spec) {
        return new Jail(spec.runFolder(), spec.scratch(), ControlGroup.of(spec));
    }

    /** The jailer's own name for it: letters, digits and dashes. */
    static String idOf(VmSpec spec) {
        return spec.name().replace('.', '-');
    }

    /** Where the jailer makes root folders. */
    Path base() {
        return folder.resolve("jail");
    }

    /** The root folder, by a name that is short enough for sockets in it. */
    Path root() {
        return folder.resolve("j");
    }

    /** A file of the root as we see it; not for what is mounted there. */
    Path outside(String inside) {
        return root().resolve(inside.substring(1));
    }

    /** A file of the scratch folder as we see it. */
    Path inScratch(String inside) {
        return scratch.resolve(inside.substring(SCRATCH.length() + 1));
    }

    /** What jailer and Firecracker print; also the guest's console. */
    Path output() {
        return folder.resolve("output");
    }

    /** Makes what the jailer does not make. */
    void create(VmSpec spec, String program) {
        var user = JailUser.claim(spec);
        group.ifPresent(g -> g.create(ControlGroup.Limits.of(spec, OVERHEAD)));
        try {
            var root = base().resolve(program).resolve(idOf(spec)).resolve("root");
            Files.createDirectories(root, only("rwx------"));
            Files.createSymbolicLink(root(), root);
            for (var mountPoint : List.of(DISK, PAGES)) {
                Files.createFile(outside(mountPoint), only("rw-------"));
            }
            Files.createDirectory(outside(SCRATCH), only("rwx------"));
            Files.createDirectory(scratch, only("rwx------"));
            give(scratch, user);
            give(spec.disk(), user);
            Fifo.create(outside(LOG)).close();
            give(outside(LOG), user);
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "cannot make the jail of a VM", e);
        }
    }

    /** What the process sees of the machine. */
    List<Bind> binds(VmSpec spec, boolean needsPages) {
        var binds = new ArrayList<Bind>();
        binds.add(new Bind(base(), base(), Use.ROOT));
        binds.add(new Bind(spec.disk(), outside(DISK), Use.DATA));
        binds.add(new Bind(scratch, outside(SCRATCH), Use.DATA));
        if (needsPages) {
            binds.add(new Bind(spec.pageSocket(), outside(PAGES), Use.DATA));
        }
        return binds;
    }

    /** Lets Firecracker, and nobody else but root, use that file. */
    static void give(Path file, JailUser user) throws IOException {
        Files.setAttribute(file, "unix:uid", user.number());
        Files.setAttribute(file, "unix:gid", user.number());
        if (!Files.isDirectory(file)) {
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        }
    }

    void clear() {
        try {
            Files.deleteIfExists(root());
            Files.deleteIfExists(output());
            deleteTree(base());
            deleteTree(scratch);
            group.ifPresent(ControlGroup::remove);
            JailUser.release(folder);
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "cannot clear the jail of a VM", e);
        }
    }

    private static void deleteTree(Path top) throws IOException {
        if (!Files.exists(top)) {
            return;
        }
        List<Path> all;
        try (var tree = Files.walk(top)) {
            all = tree.sorted(Comparator.reverseOrder()).toList();
        }
        for (var file : all) {
            Files.deleteIfExists(file);
        }
    }

    private static java.nio.file.attribute.FileAttribute<
                    Set<java.nio.file.attribute.PosixFilePermission>>
            only(String permissions) {
        return PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions));
    }
}
