package dev.wrenn.vmm;

import dev.wrenn.base.Kind;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.zip.CRC32;

/**
 * User and group of one VMM process, which no other process of the machine has: a guest that takes
 * over its VMM can neither signal nor trace another one, and owns nothing else.
 *
 * <p>A number is taken by a file of that name, which holds the run folder that it is for; a file
 * whose run folder is gone is worth nothing. So numbers come back by themselves from processes that
 * were killed, and the run folder knows its own.
 *
 * @param number of user and group
 */
public record JailUser(int number) {
    /** No distribution hands these out (systemd, docs/UIDS-GIDS.md: 1879048192 and up). */
    private static final int FIRST = 1_900_000_000;

    private static final int COUNT = 1_000_000;
    private static final Path REGISTRY = Path.of("/run/wrenn/users");
    private static final String OWN = "user";

    /** Takes a number for a run folder; again the same if it has one. */
    public static JailUser claim(VmSpec spec) {
        return claim(REGISTRY, spec);
    }

    static synchronized JailUser claim(Path registry, VmSpec spec) {
        try {
            Files.createDirectories(registry);
            try (var lock =
                            FileChannel.open(
                                    registry.resolve("lock"),
                                    StandardOpenOption.CREATE,
                                    StandardOpenOption.WRITE);
                    var _ = lock.lock()) {
                int number = FIRST + start(spec.name());
                while (!isFree(registry.resolve(Integer.toString(number)), spec.runFolder())) {
                    number = number == FIRST + COUNT - 1 ? FIRST : number + 1;
                }
                Files.writeString(
                        registry.resolve(Integer.toString(number)), spec.runFolder().toString());
                Files.writeString(spec.runFolder().resolve(OWN), Integer.toString(number));
                return new JailUser(number);
            }
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "finding a user for a VM", e);
        }
    }

    /** The number that a run folder has taken. */
    public static JailUser of(Path runFolder) {
        try {
            return new JailUser(Integer.parseInt(Files.readString(runFolder.resolve(OWN))));
        } catch (IOException | NumberFormatException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "finding the user of a VM", e);
        }
    }

    /** Gives the number of a run folder back, if it has one. */
    public static void release(Path runFolder) {
        release(REGISTRY, runFolder);
    }

    static synchronized void release(Path registry, Path runFolder) {
        try {
            var own = runFolder.resolve(OWN);
            if (Files.exists(own)) {
                Files.deleteIfExists(registry.resolve(Files.readString(own)));
                Files.delete(own);
            }
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "giving back the user of a VM", e);
        }
    }

    /** Two VMs with different names hardly ever begin to look at the same place. */
    private static int start(String name) {
        var hash = new CRC32();
        hash.update(name.getBytes(StandardCharsets.UTF_8));
        return (int) (hash.getValue() % COUNT);
    }

    private static boolean isFree(Path claim, Path runFolder) throws IOException {
        try {
            var owner = Path.of(Files.readString(claim));
            return owner.equals(runFolder) || !Files.isDirectory(owner);
        } catch (NoSuchFileException _) {
            return true;
        }
    }
}
