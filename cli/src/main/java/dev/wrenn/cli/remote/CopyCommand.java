package dev.wrenn.cli.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Progress;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.client.ApiFailure;
import dev.wrenn.cli.terminal.TerminalProgress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Copies files and folders into a capsule and out of one. */
@Command(
        name = "cp",
        description = "Copies files between this machine and a capsule.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "One of the two is ID:PATH, the other one a path here. A folder as target takes the file"
                    + " under its own name. Permissions are kept; links are left out, which is told.",
            "",
            "A transfer that breaks off is continued; one that was interrupted goes on where it was"
                    + " when the same command is given again. Until all of a large file is there,"
                    + " what arrived of it lies beside the target in a file that ends with .part.",
            "",
            "Examples:",
            "  wrenn capsule cp model.bin $id:/srv/model.bin",
            "  wrenn capsule cp -r $id:/root/results ."
        })
final class CopyCommand implements Callable<Integer> {
    private static final Pattern REMOTE = Pattern.compile("(cl-[0-9a-z]+):(.*)", Pattern.DOTALL);
    private static final int DEEPEST = 64;

    @Mixin private RemoteOptions options = new RemoteOptions();

    @Option(
            names = {"-r", "--recursive"},
            description = "Folders with all that is in them")
    private boolean recursive;

    @Parameters(index = "0", paramLabel = "SOURCE", description = "ID:PATH or a path here")
    private String source = "";

    @Parameters(index = "1", paramLabel = "TARGET", description = "ID:PATH or a path here")
    private String target = "";

    private final Progress progress = TerminalProgress.onStandardError();

    /** A place in a capsule. */
    private record Place(String capsule, String path) {
        static Optional<Place> parse(String text) {
            var match = REMOTE.matcher(text);
            return match.matches()
                    ? Optional.of(new Place(match.group(1), match.group(2)))
                    : Optional.empty();
        }
    }

    /** What was copied. */
    private record Copied(int files, long bytes) {
        Copied and(int moreFiles, long moreBytes) {
            return new Copied(files + moreFiles, bytes + moreBytes);
        }
    }

    @Override
    public Integer call() throws IOException {
        var from = Place.parse(source);
        var to = Place.parse(target);
        if (from.isPresent() == to.isPresent()) {
            throw new WrennException(
                    Kind.INVALID, "one of the two must be ID:PATH and the other one a path here");
        }
        try (var api = options.connect()) {
            var copied =
                    from.isPresent()
                            ? download(new Transfer(api, from.get().capsule()), from.get().path())
                            : upload(
                                    new Transfer(api, to.orElseThrow().capsule()), to.get().path());
            options.print(
                    copied,
                    List.of(
                            "%d %s, %s"
                                    .formatted(
                                            copied.files(),
                                            copied.files() == 1 ? "file" : "files",
                                            Words.size(copied.bytes()))));
        }
        return 0;
    }

    // ---- out of the capsule

    private Copied download(Transfer transfer, String path) throws IOException {
        var entry = transfer.stat(path);
        var here = Path.of(target);
        var name = entry.path("name").asText();
        var place = Files.isDirectory(here) && !name.isEmpty() ? here.resolve(name) : here;
        if (!isFolder(entry)) {
            try (var step = progress.start(name, entry.path("size").asLong())) {
                return finished(step, new Copied(1, transfer.download(entry, place, step)));
            }
        }
        requireRecursive(path);
        boolean isNew = !Files.exists(place);
        Files.createDirectories(place);
        var root = Path.of(entry.path("path").asText());
        var children = transfer.list(root.toString(), DEEPEST);
        long total = 0;
        for (var child : children) {
            total += isFile(child) ? child.path("size").asLong() : 0;
        }
        try (var step = progress.start(name, total)) {
            var copied = new Copied(0, 0);
            var modes = new LinkedHashMap<Path, Integer>();
            if (isNew) {
                modes.put(place, entry.path("mode").asInt());
            }
            for (var child : children) {
                var childPlace = inside(place, root, Path.of(child.path("path").asText()));
                if (isFolder(child)) {
                    Files.createDirectories(childPlace);
                    modes.put(childPlace, child.path("mode").asInt());
                } else if (isFile(child)) {
                    copied = copied.and(1, transfer.download(child, childPlace, step));
                } else {
                    System.err.println("wrenn: left out a link: " + child.path("path").asText());
                }
            }
            // Only now: a folder may be one that nothing can be written to.
            for (var folder : modes.reversed().entrySet()) {
                var permissions = Modes.permissions(folder.getValue());
                Files.setPosixFilePermissions(folder.getKey(), permissions);
            }
            return finished(step, copied);
        }
    }

    /** Names come from the capsule, which may be hostile: none may lead out of the target. */
    private static Path inside(Path folder, Path root, Path child) {
        var place = folder.resolve(root.relativize(child)).normalize();
        if (!child.startsWith(root) || !place.startsWith(folder.normalize())) {
            throw new WrennException(
                    Kind.INVALID, "the capsule named a file outside of the folder: " + child);
        }
        return place;
    }

    private static Copied finished(Progress.Step step, Copied copied) {
        step.done();
        return copied;
    }

    // ---- into the capsule

    private Copied upload(Transfer transfer, String path) throws IOException {
        var here = Path.of(source);
        if (!Files.exists(here)) {
            throw new WrennException(Kind.ABSENT, "there is no " + here);
        }
        var name = String.valueOf(here.toAbsolutePath().normalize().getFileName());
        var place = isRemoteFolder(transfer, path) ? path.replaceFirst("/*$", "/") + name : path;
        if (!Files.isDirectory(here)) {
            try (var step = progress.start(name, Files.size(here))) {
                return finished(step, new Copied(1, transfer.upload(here, place, step)));
            }
        }
        requireRecursive(here.toString());
        List<Path> files;
        try (var tree = Files.walk(here)) {
            files = tree.sorted(Comparator.naturalOrder()).toList();
        }
        long total = 0;
        for (var file : files) {
            total += isRegular(file) ? Files.size(file) : 0;
        }
        try (var step = progress.start(name, total)) {
            var copied = new Copied(0, 0);
            var modes = new LinkedHashMap<String, Integer>();
            for (var file : files) {
                var there = place + (file.equals(here) ? "" : "/" + here.relativize(file));
                if (Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)) {
                    transfer.makeFolder(there);
                    modes.put(there, Modes.of(file));
                } else if (isRegular(file)) {
                    copied = copied.and(1, transfer.upload(file, there, step));
                } else {
                    System.err.println("wrenn: left out what is no regular file: " + file);
                }
            }
            modes.reversed().forEach(transfer::changeMode);
            return finished(step, copied);
        }
    }

    private static boolean isRegular(Path file) {
        return Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS);
    }

    private static boolean isRemoteFolder(Transfer transfer, String path) {
        if (path.isEmpty() || path.endsWith("/")) {
            return true;
        }
        try {
            return isFolder(transfer.stat(path));
        } catch (ApiFailure e) {
            if (e.kind() == Kind.ABSENT) {
                return false;
            }
            throw e;
        }
    }

    private static boolean isFile(JsonNode entry) {
        return entry.path("type").asText().equals("file");
    }

    private static boolean isFolder(JsonNode entry) {
        return entry.path("type").asText().equals("directory");
    }

    private void requireRecursive(String path) {
        if (!recursive) {
            throw new WrennException(Kind.INVALID, path + " is a folder; pass -r to copy it");
        }
    }
}
