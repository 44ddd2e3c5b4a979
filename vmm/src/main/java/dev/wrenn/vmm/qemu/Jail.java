package dev.wrenn.vmm.qemu;

import dev.wrenn.base.Kind;
import dev.wrenn.vmm.JailUser;
import dev.wrenn.vmm.VmSpec;
import dev.wrenn.vmm.VmmFailed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/**
 * What QEMU is left with once its machine is set up: an empty root folder, a user and group that
 * own nothing, no capability, a system call filter, and a network namespace with a tap.
 *
 * <p>A guest that takes over its VMM finds no file to open, no process of another VM to signal or
 * trace, and no way to become somebody else. Disk, tap, memory, logs and state reach QEMU as
 * descriptors, most of them before it gives its rights up.
 *
 * @param folder the root folder; holds only the socket of a save while there is one
 * @param runFolder of the VM, which knows the user
 */
record Jail(Path folder, Path runFolder) {
    private static final String STATE = "state.sock";

    static Jail of(VmSpec spec) {
        return new Jail(spec.runFolder().resolve("jail"), spec.runFolder());
    }

    /** Makes the folder, in which the user may use what is there but make nothing. */
    void create(JailUser user) {
        try {
            Files.createDirectory(
                    folder,
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rwx--x---")));
            Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx--x---"));
            Files.setAttribute(folder, "unix:gid", user.number());
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
        Files.setAttribute(socket, "unix:uid", JailUser.of(runFolder).number());
    }

    void clear() throws IOException {
        Files.deleteIfExists(stateSocket());
        Files.deleteIfExists(folder);
    }
}
