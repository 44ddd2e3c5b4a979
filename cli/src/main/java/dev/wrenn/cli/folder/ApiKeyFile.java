package dev.wrenn.cli.folder;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import java.util.regex.Pattern;

/** The first API key of a data folder, made once and readable by its owner only. */
public final class ApiKeyFile {
    private static final Pattern FORMAT = Pattern.compile("wrn_[0-9a-f]{32}");

    private ApiKeyFile() {}

    /** The key, if it was made. */
    public static Optional<Secret> read(Path file) {
        String text;
        try {
            text = Files.readString(file).strip();
        } catch (NoSuchFileException _) {
            return Optional.empty();
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot read the API key in " + file, e);
        }
        if (!FORMAT.matcher(text).matches()) {
            throw new WrennException(
                    Kind.CORRUPT,
                    "%s holds no API key (wrn_ and 32 hex digits); remove it to get a new one"
                            .formatted(file));
        }
        return Optional.of(new Secret(text));
    }

    /** Keeps a key where only the owner can read it; an older one is replaced. */
    public static void write(Path file, Secret key) {
        var aside = file.resolveSibling(file.getFileName() + ".new");
        try {
            Files.deleteIfExists(aside);
            Files.createFile(
                    aside,
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rw-------")));
            Files.writeString(aside, key.reveal() + "\n");
            Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot keep the API key in " + file, e);
        }
    }
}
