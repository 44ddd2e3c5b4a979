package dev.wrenn.cli.remote;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.EnumSet;
import java.util.Set;

/**
 * Permission bits as the API has them: those of read, write and execute, in the order of chmod(2).
 */
final class Modes {
    private static final PosixFilePermission[] HIGHEST_FIRST = PosixFilePermission.values();

    private Modes() {}

    /** The nine bits of a mode; those that change who a program runs as are not taken over. */
    static Set<PosixFilePermission> permissions(int mode) {
        var permissions = EnumSet.noneOf(PosixFilePermission.class);
        for (int i = 0; i < HIGHEST_FIRST.length; i++) {
            if ((mode & bit(i)) != 0) {
                permissions.add(HIGHEST_FIRST[i]);
            }
        }
        return permissions;
    }

    /** The bits of a file or folder here. */
    static int of(Path file) throws IOException {
        var permissions = Files.getPosixFilePermissions(file);
        int mode = 0;
        for (int i = 0; i < HIGHEST_FIRST.length; i++) {
            mode |= permissions.contains(HIGHEST_FIRST[i]) ? bit(i) : 0;
        }
        return mode;
    }

    private static int bit(int index) {
        return 1 << (HIGHEST_FIRST.length - 1 - index);
    }
}
