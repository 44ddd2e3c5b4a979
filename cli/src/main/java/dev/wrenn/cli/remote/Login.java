package dev.wrenn.cli.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.client.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Optional;

/**
 * A server and the key for it.
 *
 * @param baseUrl without a slash at its end
 */
record Login(String baseUrl, Secret key) {
    private static final String OWNER_ONLY = "rw-------";
    private static final String FOLDER_OWNER_ONLY = "rwx------";

    /** Where `wrenn auth login` keeps it (XDG Base Directory Specification). */
    static Path file(Map<String, String> environment) {
        var home = Optional.ofNullable(environment.get("HOME")).orElse("/root");
        return Optional.ofNullable(environment.get("XDG_CONFIG_HOME"))
                .filter(folder -> !folder.isBlank())
                .map(Path::of)
                .orElse(Path.of(home, ".config"))
                .resolve("wrenn")
                .resolve("login.json");
    }

    /** What was kept. */
    static Optional<Login> read(Path file) {
        JsonNode json;
        try {
            json = Json.read(Files.readString(file));
        } catch (NoSuchFileException _) {
            return Optional.empty();
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot read " + file, e);
        }
        var baseUrl = json.path("base_url").asText();
        var key = json.path("api_key").asText();
        if (baseUrl.isEmpty() || key.isEmpty()) {
            throw new WrennException(
                    Kind.CORRUPT, file + " holds no login; run `wrenn auth login` again");
        }
        return Optional.of(new Login(baseUrl, new Secret(key)));
    }

    /** Keeps it where only the owner can read it. */
    void write(Path file) {
        var aside = file.resolveSibling(file.getFileName() + ".new");
        try {
            if (file.getParent() != null && !Files.isDirectory(file.getParent())) {
                Files.createDirectories(
                        file.getParent(),
                        PosixFilePermissions.asFileAttribute(
                                PosixFilePermissions.fromString(FOLDER_OWNER_ONLY)));
            }
            Files.deleteIfExists(aside);
            Files.createFile(
                    aside,
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString(OWNER_ONLY)));
            var content = Map.of("base_url", baseUrl, "api_key", key.reveal());
            Files.writeString(aside, Json.line(content) + "\n");
            Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot keep the login in " + file, e);
        }
    }
}
