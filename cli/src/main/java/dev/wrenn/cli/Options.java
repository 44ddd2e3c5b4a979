package dev.wrenn.cli;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.client.Json;
import dev.wrenn.cli.folder.DataFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What all commands that concern one data folder can be told. */
final class Options {
    private static final Path DEFAULT_FOLDER = Path.of("/var/lib/wrenn");

    @Option(
            names = "--dir",
            paramLabel = "DIR",
            description = "Data folder; also WRENN_DIR. Default: /var/lib/wrenn")
    private @Nullable Path directory;

    @Option(
            names = "--set",
            paramLabel = "SECTION.KEY=VALUE",
            description = "A setting of wrenn.conf for this run; may be repeated")
    private Map<String, String> settings = new LinkedHashMap<>();

    @Option(names = "--json", description = "One line of JSON on standard output, for programs")
    private boolean json;

    boolean isJson() {
        return json;
    }

    /** The data folder's path, which need not exist. */
    Path folder(Map<String, String> environment) {
        return Optional.ofNullable(directory)
                .or(() ->
                        Optional.ofNullable(environment.get("WRENN_DIR"))
                                .filter(value -> !value.isBlank())
                                .map(Path::of))
                .orElse(DEFAULT_FOLDER)
                .toAbsolutePath()
                .normalize();
    }

    /** The settings in effect: flags before environment before the folder's wrenn.conf. */
    WrennConfig config(
            DataFolder folder, Map<String, String> environment, Map<String, String> flags) {
        var all = new LinkedHashMap<>(settings);
        all.putAll(flags);
        // Set by the script, which builds them; commands that run no guest do without.
        var guestFiles = Path.of(System.getProperty("wrenn.guest-files", ""));
        return WrennConfig.read(
                folder,
                guestFiles.toAbsolutePath(),
                new WrennConfig.Sources(all, environment, fileText(folder.configuration())));
    }

    private static Optional<String> fileText(Path file) {
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        try {
            return Optional.of(Files.readString(file));
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot read " + file, e);
        }
    }

    /** Prints a result: for programs as one line of JSON, for people as text. */
    void print(Object forPrograms, List<String> forPeople) {
        if (json) {
            System.out.println(Json.line(forPrograms));
        } else {
            forPeople.forEach(System.out::println);
        }
        System.out.flush();
    }
}
