package dev.wrenn.host.image;

import dev.wrenn.contract.host.ProcessDefaults;
import dev.wrenn.contract.host.StockTemplate;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * How a stock disk differs from the {@code minimal} one.
 *
 * @param name of the template
 * @param packages of Debian
 * @param files what the setup script takes, by where it belongs on the disk
 * @param needsPython whether the setup script installs from the Python registry
 * @param preparesItself whether {@link StockDisks#PREPARE} is to run after a boot
 * @param leastMemoryMb with less it does not work
 * @param defaults what processes get
 */
record StockRecipe(
        String name,
        List<String> packages,
        Map<String, String> files,
        boolean needsPython,
        boolean preparesItself,
        int leastMemoryMb,
        ProcessDefaults defaults) {
    private static final String USER = "wrenn-user";
    private static final String USUAL_PATH =
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /** All of them. */
    static final List<StockRecipe> ALL =
            List.of(
                    new StockRecipe(
                            "base-python",
                            List.of("python3-pip", "python3-venv", "python-is-python3"),
                            Map.of(),
                            false,
                            false,
                            0,
                            ProcessDefaults.NONE),
                    new StockRecipe(
                            "base-node",
                            List.of("nodejs", "npm"),
                            Map.of(),
                            false,
                            false,
                            0,
                            ProcessDefaults.NONE),
                    new StockRecipe(
                            "code-runner-beta",
                            List.of("python3-pip", "python3-venv", "python-is-python3"),
                            files(
                                    "usr/local/lib/wrenn/wrenn_kernel.py",
                                    "usr/local/lib/wrenn/rehearse.py",
                                    "usr/local/lib/wrenn/prepare"),
                            true,
                            true,
                            384,
                            new ProcessDefaults(
                                    Map.of(
                                            "PATH",
                                            "/home/wrenn-user/jupyter-env/bin:" + USUAL_PATH,
                                            "PYTHONUNBUFFERED",
                                            "1"),
                                    Optional.of(USER),
                                    Optional.of("/home/wrenn-user"))));

    private static Map<String, String> files(String... paths) {
        var files = new LinkedHashMap<String, String>();
        for (var path : paths) {
            files.put(path, resource("code-runner-beta/" + path.replaceFirst(".*/", "")));
        }
        return files;
    }

    /** As the control plane knows it. */
    StockTemplate describe(String revision) {
        return new StockTemplate(name, revision, preparesItself, leastMemoryMb);
    }

    /** Changes when the disk would be another one. */
    String revision(Path minimal, String script) {
        var digest =
                new Sha256()
                        .text(String.valueOf(minimal.getFileName()))
                        .text(script)
                        .text(String.join(" ", packages))
                        .text(setup())
                        .text(requirements());
        files.forEach((path, content) -> digest.text(path).text(content));
        return digest.name();
    }

    /** Writes what the script finds in its folder of work. */
    void writeTo(Path work) throws IOException {
        Files.writeString(work.resolve("packages"), String.join("\n", packages) + "\n");
        if (!setup().isEmpty()) {
            Files.writeString(work.resolve("setup"), setup());
        }
        if (needsPython) {
            Files.writeString(work.resolve("requirements"), requirements());
        }
        for (var file : files.entrySet()) {
            var path = work.resolve("files").resolve(file.getKey());
            Files.createDirectories(path.getParent());
            Files.writeString(path, file.getValue());
        }
    }

    private String setup() {
        return resource(name + ".setup");
    }

    private String requirements() {
        return needsPython ? resource(name + ".requirements") : "";
    }

    private static String resource(String path) {
        return read("stock/" + path);
    }

    /** A text that comes with this class; empty if there is none. */
    static String read(String path) {
        try (var in = StockRecipe.class.getResourceAsStream(path)) {
            return in == null ? "" : new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(path, e);
        }
    }
}
