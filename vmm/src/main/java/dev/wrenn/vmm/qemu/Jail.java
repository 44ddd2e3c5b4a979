package dev.wrenn.vmm.qemu;

import dev.wrenn.base.Kind;
import dev.wrenn.vmm.VmSpec;
import dev.wrenn.vmm.VmmFailed;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.zip.CRC32;

/**
 * What QEMU is left with once its machine is set up: an empty root folder, a user and group that
 * own nothing, no capability, a system call filter, and a network namespace with a tap.
 *
 * <p>A guest that takes over its VMM finds no file to open, no process of another VM to signal or
 * trace, and no way to become somebody else. Disk, tap, memory, logs and state reach QEMU as
 * descriptors, most of them before it gives its rights up.
 *
 * @param folder the root folder; holds only the socket of a save while there is one
 * @param user number of user and group
 */
record Jail(Path folder, int user) {
    /** No distribution hands these out (systemd, docs/UIDS-GIDS.md: 1879048192 and up). */
    private static final int FIRST_USER = 1_900_000_000;

    /** Two VMs of one machine hardly ever share a user, and could only disturb each other then. */
    private static final int USERS = 1_000_000;

    private static final String STATE = "state.sock";

    static Jail of(VmSpec spec) {
        var hash = new CRC32();
        hash.update(spec.name().getBytes(StandardCharsets.UTF_8));
        return new Jail(
                spec.runFolder().resolve("jail"), FIRST_USER + (int) (hash.getValue() % USERS));
    }

    /** Makes the folder, in which the user may use what is there but make nothing. */
    void create() {
        try {
            Files.createDirectory(
                    folder,
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rwx--x---")));
            Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx--x---"));
            Files.setAttribute(folder, "unix:gid", user);
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "cannot make the jail of a VM", e);
        }
    }

    /** Where the socket of a save is for us. */
    Path stateSocket() {
        return folder.resolve(STATE);
    }

    /** Where it is for QEMU. */
    static String stateSocketInside() {
        return "/" + STATE;
    }

    /** Lets QEMU, and nobody else, connect to the socket. */
    void admit(Path socket) throws IOException {
        Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-------"));
        Files.setAttribute(socket, "unix:uid", user);
    }

    void clear() throws IOException {
        Files.deleteIfExists(stateSocket());
        Files.deleteIfExists(folder);
    }
}
