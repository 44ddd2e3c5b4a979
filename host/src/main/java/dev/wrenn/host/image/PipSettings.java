package dev.wrenn.host.image;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Where this machine gets Python packages from: its own pip configuration, with whatever mirror,
 * password or certificates. Written where a build finds it and nothing of it stays.
 */
final class PipSettings {
    /** What says how the registry is reached; other variables are about this machine. */
    private static final List<String> VARIABLES =
            List.of(
                    "PIP_INDEX_URL",
                    "PIP_EXTRA_INDEX_URL",
                    "PIP_TRUSTED_HOST",
                    "PIP_PROXY",
                    "PIP_TIMEOUT",
                    "PIP_DEFAULT_TIMEOUT",
                    "PIP_RETRIES");

    private static final Pattern CERTIFICATES =
            Pattern.compile("(?m)^\\s*cert\\s*[=:]\\s*(\\S+)\\s*$");
    private static final Path USUAL_CERTIFICATES = Path.of("/etc/ssl/certs/ca-certificates.crt");

    private final Map<String, String> environment;
    private final Path home;
    private final Path etc;

    /**
     * @param environment of this process
     * @param home folder of the user who runs it
     * @param etc {@code /etc}
     */
    PipSettings(Map<String, String> environment, Path home, Path etc) {
        this.environment = Map.copyOf(environment);
        this.home = home;
        this.etc = etc;
    }

    /** Those of this process. */
    static PipSettings ofThisMachine() {
        return new PipSettings(
                System.getenv(), Path.of(System.getProperty("user.home")), Path.of("/etc"));
    }

    /**
     * Writes them: {@code xdg/pip/pip.conf} of the machine, {@code home/.config/pip/pip.conf} of
     * the user, {@code pip.conf} of the environment, {@code ca.crt}.
     */
    void writeTo(Path work) throws IOException {
        var ofMachine =
                firstOf(etc.resolve("pip.conf"), etc.resolve("xdg/pip/pip.conf")).orElse("");
        var ofUser =
                firstOf(home.resolve(".config/pip/pip.conf"), home.resolve(".pip/pip.conf"))
                        .orElse("");
        var named = environment.get("PIP_CONFIG_FILE");
        var ofEnvironment = new StringBuilder();
        if (named != null) {
            ofEnvironment.append(firstOf(Path.of(named)).orElse(""));
        }
        write(work.resolve("xdg/pip/pip.conf"), ofMachine);
        write(work.resolve("home/.config/pip/pip.conf"), ofUser);
        write(work.resolve("pip.conf"), ofEnvironment + "\n[global]\n" + variables());
        var certificates = certificates(ofEnvironment.toString(), ofUser, ofMachine);
        if (Files.isReadable(certificates)) {
            Files.copy(certificates, work.resolve("ca.crt"));
        }
    }

    private String variables() {
        var lines = new StringBuilder();
        for (var variable : VARIABLES) {
            var value = environment.get(variable);
            if (value != null) {
                lines.append(
                                variable.substring("PIP_".length())
                                        .toLowerCase(Locale.ROOT)
                                        .replace('_', '-'))
                        .append(" = ")
                        .append(value.strip().replaceAll("\\s+", "\n    "))
                        .append('\n');
            }
        }
        return lines.toString();
    }

    private Path certificates(String... texts) {
        var said =
                Stream.concat(
                        Stream.of(environment.getOrDefault("PIP_CERT", "")),
                        Stream.of(texts)
                                .flatMap(text ->
                                        CERTIFICATES.matcher(text).results().map(r -> r.group(1))));
        return said.filter(path -> !path.isEmpty())
                .map(Path::of)
                .findFirst()
                .orElse(USUAL_CERTIFICATES);
    }

    private static Optional<String> firstOf(Path... files) throws IOException {
        for (var file : files) {
            if (Files.isRegularFile(file)) {
                return Optional.of(Files.readString(file));
            }
        }
        return Optional.empty();
    }

    private static void write(Path file, String text) throws IOException {
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }
}
