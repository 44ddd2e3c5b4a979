package dev.wrenn.snapshot;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.FileSync;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HexFormat;
import java.util.List;

/**
 * A key that wraps the keys of the teams. It lives in a file of this machine; whoever loses it
 * loses everything in the archive.
 */
public final class MasterKey {
    private final byte[] key;
    private final String fingerprint;

    private MasterKey(byte[] key) {
        this.key = key.clone();
        this.fingerprint =
                HexFormat.of().formatHex(Ciphers.derive(key, "fingerprint")).substring(0, 16);
    }

    byte[] key() {
        return key.clone();
    }

    /** Names the key without telling it. */
    public String fingerprint() {
        return fingerprint;
    }

    /** From 64 hexadecimal digits. */
    static MasterKey parse(String text) {
        var bytes = HexFormat.of().parseHex(text.strip());
        if (bytes.length != Ciphers.KEY_BYTES) {
            throw new IllegalArgumentException("a master key has 64 hexadecimal digits");
        }
        return new MasterKey(bytes);
    }

    /**
     * Reads a key file: 64 hexadecimal digits a line, the key in force first, then earlier ones
     * that may still be met. Makes it, readable by its owner only, if it does not exist.
     *
     * @throws WrennException INVALID if a line is no key
     */
    public static List<MasterKey> file(Path file) {
        try {
            if (!Files.exists(file)) {
                make(file);
            }
            var keys =
                    Files.readAllLines(file).stream()
                            .filter(l -> !l.isBlank())
                            .map(MasterKey::parse)
                            .toList();
            if (keys.isEmpty()) {
                throw new WrennException(Kind.INVALID, "the master key file " + file + " is empty");
            }
            return keys;
        } catch (IllegalArgumentException e) {
            throw new WrennException(
                    Kind.INVALID,
                    "the master key file %s must hold 64 hexadecimal digits a line".formatted(file),
                    e);
        } catch (IOException e) {
            throw new WrennException(
                    Kind.UNAVAILABLE, "cannot read the master key file " + file, e);
        }
    }

    private static void make(Path file) throws IOException {
        var aside = file.resolveSibling(file.getFileName() + ".new");
        var ownerOnly =
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
        Files.deleteIfExists(aside);
        Files.createFile(aside, ownerOnly);
        var line = HexFormat.of().formatHex(Ciphers.random(Ciphers.KEY_BYTES)) + "\n";
        Files.writeString(aside, line);
        FileSync.file(aside);
        try {
            Files.createLink(file, aside); // never replaces a key
        } catch (FileAlreadyExistsException _) {
            Files.deleteIfExists(aside);
            return;
        }
        Files.deleteIfExists(aside);
        FileSync.folder(java.util.Objects.requireNonNull(file.toAbsolutePath().getParent()));
    }

    @Override
    public String toString() {
        return "master key " + fingerprint;
    }
}
